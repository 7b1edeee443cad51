package spool

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"math/bits"
	"os"
	"sync"
)

const (
	// maxNameLen is the longest name in bytes; a longer one is "other".
	maxNameLen = 128
	// namesSize bounds the dictionary. The file is allocated whole, so that a
	// full disk cannot refuse a name, and a segment has room for all of them.
	namesSize = 256 << 10

	entryHead = 6 // length u16, CRC-32C u32 of length and name
)

// A dictionary numbers the names of one epoch. Its file outlives the process
// until every segment of the epoch is sealed: it is what recovery reads the
// names of an open segment from.
type dictionary struct {
	mu      sync.Mutex
	numbers map[string]Name
	texts   []string // by number
	size    int64    // of the entries
	file    *os.File // nil until attached: no segment is open before that
	dirty   bool     // written and not yet synced
}

func newDictionary() *dictionary {
	return &dictionary{
		numbers: map[string]Name{"": NoName, "other": Other},
		texts:   []string{"", "other"},
	}
}

// intern returns the number of name, which is in the file when it returns. It
// returns Other and false if the name is too long, the dictionary is full or
// the file cannot be written.
func (d *dictionary) intern(name string) (n Name, ok bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n, ok := d.numbers[name]; ok {
		return n, true, nil
	}
	entry := appendEntry(nil, name)
	if len(name) > maxNameLen || len(d.texts) > math.MaxUint16 || d.size+int64(len(entry)) > namesSize {
		return Other, false, nil
	}
	if d.file != nil {
		if _, err := d.file.WriteAt(entry, d.size); err != nil {
			return Other, false, err
		}
		d.dirty = true
	}
	d.size += int64(len(entry))
	n = Name(len(d.texts))
	d.texts = append(d.texts, name)
	d.numbers[name] = n
	return n, true, nil
}

// attach writes the names so far to f, which the dictionary then owns.
func (d *dictionary) attach(f *os.File) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []byte
	for _, name := range d.texts[Other+1:] {
		all = appendEntry(all, name)
	}
	if _, err := f.WriteAt(all, 0); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	d.file = f
	return nil
}

func (d *dictionary) attached() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.file != nil
}

// table returns the texts by number. The caller must not change it.
func (d *dictionary) table() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.texts[:len(d.texts):len(d.texts)]
}

// sync makes the names survive power failure. It is called before the records
// that use them are synced.
func (d *dictionary) sync(disk *syncer) error {
	d.mu.Lock()
	file, dirty := d.file, d.dirty
	d.dirty = false
	d.mu.Unlock()
	if !dirty {
		return nil
	}
	err := disk.sync(file)
	if err != nil {
		d.mu.Lock()
		d.dirty = true
		d.mu.Unlock()
	}
	return err
}

func (d *dictionary) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}

func appendEntry(b []byte, name string) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(name)))
	sum := crc32.Checksum(b[start:], castagnoli)
	sum = crc32.Update(sum, castagnoli, []byte(name))
	b = binary.LittleEndian.AppendUint32(b, sum)
	return append(b, name...)
}

// readNames reads the names that a killed process had numbered, as far as they
// are whole.
func readNames(r io.Reader) ([]string, error) {
	b, err := io.ReadAll(io.LimitReader(r, namesSize))
	if err != nil {
		return nil, err
	}
	texts := []string{"", "other"}
	for len(b) >= entryHead && len(texts) <= math.MaxUint16 {
		length := int(binary.LittleEndian.Uint16(b))
		if length == 0 || length > maxNameLen || entryHead+length > len(b) {
			break
		}
		sum := crc32.Update(crc32.Checksum(b[:2], castagnoli), castagnoli, b[entryHead:entryHead+length])
		if binary.LittleEndian.Uint32(b[2:]) != sum {
			break
		}
		texts = append(texts, string(b[entryHead:entryHead+length]))
		b = b[entryHead+length:]
	}
	return texts, nil
}

// A nameSet holds the names used in a segment.
type nameSet [1 << 16 / 64]uint64

func (s *nameSet) add(names [4]Name) {
	for _, n := range names {
		s[n/64] |= 1 << (n % 64)
	}
}

// all yields the names but NoName, ascending.
func (s *nameSet) all() iter.Seq[Name] {
	return func(yield func(Name) bool) {
		for i, word := range s {
			for ; word != 0; word &= word - 1 {
				n := Name(i*64 + bits.TrailingZeros64(word))
				if n != NoName && !yield(n) {
					return
				}
			}
		}
	}
}
