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
		defer file.Close() //nolint:errcheck // a test's file
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

// A slot that was reserved and never written must not look like a record.
func TestZeroSlotIsNoRecord(t *testing.T) {
	if whole(new([recordSize]byte)) {
		t.Error("64 zeros are a record")
	}
}
