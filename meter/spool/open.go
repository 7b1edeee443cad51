package spool

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// An openSegment is a preallocated, memory-mapped file that records are
// appended to by any number of writers at once.
type openSegment struct {
	id    id
	path  string
	file  *os.File
	slots int64
	rows  []byte // the slots, in the mapping

	// Padding keeps the counters that every writer changes away from what
	// every writer only reads, and from each other.
	_        [64]byte
	reserved atomic.Int64 // slots handed out, more than slots once it is full
	_        [56]byte
	written  atomic.Int64 // slots written
	_        [56]byte

	// emptySince is when the segment was last seen empty after it became the
	// current one, Unix microseconds: all in it was appended later.
	emptySince atomic.Int64

	mu      sync.Mutex // guards the mapping against unmapping, not against writers
	mapping []byte     // nil once unmapped
	marks   [2]int64   // slots reserved at the last two syncs, the older first
}

// createSegment makes a file ready to be written to without asking the disk
// for anything more: a full disk is met here and not by a store into the
// mapping, which would end the process with SIGBUS. It syncs nothing, so that
// writers never wait for a slow disk; the first sync of the segment does. The
// pages of the first warm slots are mapped.
func createSegment(dir string, i id, slots, warm int) (_ *openSegment, err error) {
	path := filepath.Join(dir, i.String()+openExt)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	o := &openSegment{id: i, path: path, file: file, slots: int64(slots)}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.discard())
		}
	}()
	if err := allocate(file, openSize(slots)); err != nil {
		return nil, &os.PathError{Op: "allocate", Path: path, Err: err}
	}
	header := encodeHeader(i)
	if _, err := file.WriteAt(header[:], 0); err != nil {
		return nil, err
	}
	end := headerSize + slots*recordSize
	o.mapping, err = unix.Mmap(int(file.Fd()), 0, end, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, &os.PathError{Op: "mmap", Path: path, Err: err}
	}
	o.rows = o.mapping[headerSize:]
	if err := populate(o.mapping[:headerSize+min(warm, slots)*recordSize]); err != nil {
		return nil, &os.PathError{Op: "populate", Path: path, Err: err}
	}
	return o, nil
}

// append copies r into the next slot. It reports false if there is none.
func (o *openSegment) append(r *Record) bool {
	_ = *r // a nil record must panic here, before a slot waits for it forever
	slot := o.reserved.Add(1) - 1
	if slot >= o.slots {
		return false
	}
	r.put((*[recordSize]byte)(o.rows[slot*recordSize:]))
	o.written.Add(1)
	return true
}

// empty reports whether no slot was handed out yet.
func (o *openSegment) empty() bool { return o.reserved.Load() == 0 }

// finish refuses further writers and waits for those that hold a slot. It
// returns the number of slots in use.
func (o *openSegment) finish() int64 {
	slots := min(o.reserved.Swap(o.slots), o.slots)
	for o.written.Load() < slots {
		runtime.Gosched() // a writer is a few nanoseconds from its end
	}
	return slots
}

// sync writes to the disk what was appended since the last call. It does so once
// more when nothing was, because a slot reserved before the last sync may have
// been written only after it.
func (o *openSegment) sync(disk *syncer) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	reserved := min(o.reserved.Load(), o.slots)
	if o.mapping == nil || reserved == o.marks[0] {
		return nil
	}
	if err := disk.sync(o.file); err != nil {
		return err
	}
	if o.marks[1] == 0 { // the first time: the file's name too
		if err := syncDir(disk, filepath.Dir(o.path)); err != nil {
			return err
		}
	}
	o.marks = [2]int64{o.marks[1], reserved}
	return nil
}

func (o *openSegment) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var err error
	if o.mapping != nil {
		err = unix.Munmap(o.mapping)
		o.mapping, o.rows = nil, nil
	}
	return errors.Join(err, o.file.Close())
}

// discard removes a segment that nothing was written to.
func (o *openSegment) discard() error {
	return errors.Join(o.close(), os.Remove(o.path))
}

// A scan is what was found in the slots of a segment about to be sealed.
type scan struct {
	summary
	used nameSet
	bad  []int // slots that are neither zeros nor a whole record with known names
}

// scanSlots reads slots until the tail of an earlier attempt at sealing or the
// end. Slots after the last record do not count.
func scanSlots(rows []byte, texts []string) *scan {
	s := new(scan)
	var r Record
	for i := 0; (i+1)*recordSize <= len(rows); i++ {
		yieldAfter(i)
		b := (*[recordSize]byte)(rows[i*recordSize:])
		if *b == [recordSize]byte{} {
			continue
		}
		if string(b[:magicSize]) == tailMagic {
			break
		}
		r.get(b)
		if !whole(b) || !known(r.names(), texts) {
			s.bad = append(s.bad, i)
			continue
		}
		s.add(&r)
		s.used.add(r.names())
		s.slots = uint32(i + 1)
	}
	return s
}

func known(names [4]Name, texts []string) bool {
	for _, n := range names {
		if int(n) >= len(texts) {
			return false
		}
	}
	return true
}

// sealFile turns the file of an open segment, whose slots are rows, into a
// sealed one and syncs it. It does so in place, so that it needs no room on the
// disk, and may be repeated after it was interrupted anywhere: bad slots are
// zeroed before there is a tail, and no record is ever moved.
func sealFile(file *os.File, i id, rows []byte, s *scan, texts []string) (size int64, err error) {
	for _, slot := range s.bad {
		zeros := rows[slot*recordSize : (slot+1)*recordSize]
		clear(zeros)
		if _, err := file.WriteAt(zeros, headerSize+int64(slot)*recordSize); err != nil {
			return 0, err
		}
	}
	end := int64(s.slots) * recordSize
	tail := appendTail(nil, s.summary, &s.used, func(n Name) string { return texts[n] })
	hash := sha256.New()
	header := encodeHeader(i)
	hash.Write(header[:])
	hashAll(hash, rows[:end])
	hash.Write(tail)
	tail = hash.Sum(tail)
	if _, err := file.WriteAt(tail, headerSize+end); err != nil {
		return 0, err
	}
	size = headerSize + end + int64(len(tail))
	if err := file.Truncate(size); err != nil {
		return 0, err
	}
	return size, nil
}

// syncDir makes creations, renames and removals in a folder survive power
// failure.
func syncDir(disk *syncer, dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(disk.sync(d), d.Close()); err != nil {
		return fmt.Errorf("sync folder %q: %w", dir, err)
	}
	return nil
}
