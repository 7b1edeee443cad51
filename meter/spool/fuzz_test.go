package spool

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
)

// FuzzSegment reads files as they are and files whose hash was made to fit.
// Whatever is accepted is what sealing its records would have written, so no
// two files hold the same segment.
func FuzzSegment(f *testing.F) {
	texts := []string{"", "other", "eth", "eth_call"}
	build := func(i id, rows []byte) []byte {
		path := filepath.Join(f.TempDir(), "segment")
		file, err := os.Create(path)
		if err != nil {
			f.Fatal(err)
		}
		defer file.Close()
		header := encodeHeader(i)
		if _, err := file.Write(append(header[:], rows...)); err != nil {
			f.Fatal(err)
		}
		if _, err := sealFile(file, i, rows, scanSlots(rows, texts), texts); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	rows := make([]byte, 4*recordSize) // the second slot stays empty
	for _, slot := range []int{0, 2, 3} {
		r := Record{TimeMicros: int64(1e15) + int64(slot), RequestID: 7, CU: 20, Chain: 2, Method: 3, Outcome: Answered}
		r.put((*[recordSize]byte)(rows[slot*recordSize:]))
	}
	whole := build(id{gateway: "gw-1", epoch: 1763900000000, seq: 3}, rows)
	f.Add(whole)
	f.Add(build(id{gateway: "g", epoch: 1, seq: 1}, rows[:recordSize]))
	f.Add(whole[:len(whole)-1])
	f.Add(whole[:headerSize])
	f.Add([]byte{})
	for at := 0; at < len(whole); at += 7 {
		b := bytes.Clone(whole)
		b[at] ^= 0xff
		f.Add(b)
	}

	for _, b := range notCanonical() {
		f.Add(b)
	}

	f.Fuzz(func(t *testing.T, b []byte) {
		fitted := bytes.Clone(b)
		if len(fitted) >= sha256.Size {
			body := fitted[:len(fitted)-sha256.Size]
			hash := sha256.Sum256(body)
			copy(fitted[len(body):], hash[:])
		}
		for _, b := range [][]byte{b, fitted} {
			s, err := decodeSegment(b)
			if err != nil {
				continue
			}
			found := scanSlots(s.slots, s.names)
			header := encodeHeader(id{gateway: s.Gateway, epoch: s.Epoch, seq: s.Seq})
			again := append(header[:], s.slots...)
			again = appendTail(again, found.summary, &found.used, s.Text)
			hash := sha256.Sum256(again)
			if again = append(again, hash[:]...); !bytes.Equal(again, b) {
				t.Errorf("accepted\n%x, which is not\n%x", b, again)
			}
			n := int64(0)
			for r := range s.Records() {
				for _, name := range r.names() {
					s.Text(name)
				}
				n++
			}
			if n != s.Rows {
				t.Errorf("%d records, %d promised", n, s.Rows)
			}
		}
	})
}

// notCanonical are files whose hash fits and that sealing never writes.
func notCanonical() map[string][]byte {
	texts := []string{"", "other", "eth", "eth_call", ""}
	file := func(r Record, change func(sum *summary, used *nameSet)) []byte {
		rows := make([]byte, recordSize)
		r.put((*[recordSize]byte)(rows))
		found := scanSlots(rows, texts)
		change(&found.summary, &found.used)
		header := encodeHeader(id{gateway: "gw-1", epoch: 1, seq: 1})
		b := appendTail(append(header[:], rows...), found.summary, &found.used, func(n Name) string { return texts[n] })
		hash := sha256.Sum256(b)
		return append(b, hash[:]...)
	}
	eth := Record{Chain: 2, CU: 5}
	return map[string][]byte{
		"a name that no record uses":  file(eth, func(_ *summary, used *nameSet) { used.add([4]Name{3}) }),
		"a name that is missing":      file(eth, func(_ *summary, used *nameSet) { *used = nameSet{} }),
		"a name that is empty":        file(Record{Chain: 4}, func(*summary, *nameSet) {}),
		"a gap where a name is":       file(Record{Chain: 2, Method: 3}, func(_ *summary, used *nameSet) { *used = nameSet{1 << 3} }),
		"another sum of CU":           file(eth, func(sum *summary, _ *nameSet) { sum.cu++ }),
		"another number of records":   file(eth, func(sum *summary, _ *nameSet) { sum.rows++ }),
		"more slots than there are":   file(eth, func(sum *summary, _ *nameSet) { sum.slots += 1 << 30 }),
		"no slots":                    file(eth, func(sum *summary, _ *nameSet) { sum.slots = 0 }),
		"another time of the first":   file(eth, func(sum *summary, _ *nameSet) { sum.first-- }),
		"a last time before the rest": file(eth, func(sum *summary, _ *nameSet) { sum.last-- }),
	}
}

func TestFilesThatSealingNeverWritesAreRefused(t *testing.T) {
	for name, b := range notCanonical() {
		if _, err := decodeSegment(b); err == nil {
			t.Errorf("accepted: %s", name)
		}
	}
}

// A slot that was reserved and never written must not look like a record.
func TestZeroSlotIsNoRecord(t *testing.T) {
	if whole(new([recordSize]byte)) {
		t.Error("64 zeros are a record")
	}
}
