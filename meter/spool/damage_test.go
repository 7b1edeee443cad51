package spool_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pokt.ai/meter/spool"
)

// killedFolder returns a folder as a process leaves it that is killed after n
// appends: what a copy of the files of a running one is.
func killedFolder(t testing.TB, n int) spool.Config {
	t.Helper()
	s, cfg := open(t, func(c *spool.Config) { c.SealAfter = time.Hour; c.SyncInterval = time.Hour })
	for i := range uint64(n) {
		r := record(i + 1)
		r.Chain = s.Intern("eth")
		r.Method = s.Intern("eth_call")
		if err := s.Append(&r); err != nil {
			t.Fatal(err)
		}
	}
	cfg.Dir = copyFolder(t, cfg.Dir)
	return cfg
}

func copyFolder(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "spool")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// change rewrites a file.
func change(t testing.TB, path string, edit func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, edit(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

const headerBytes, slotBytes = 128, 64

func TestRecoveryOfADamagedOpenSegment(t *testing.T) {
	const rows = 100
	var every []uint64
	for id := uint64(1); id <= rows; id++ {
		every = append(every, id)
	}
	openFile := func(t *testing.T, cfg spool.Config) string { return files(t, cfg.Dir, "*-00000001.open")[0] }
	tests := []struct {
		name     string
		damage   func(t *testing.T, cfg spool.Config)
		lost     []uint64 // ids of the records that cannot be there
		badSlots float64
		bad      int // segments set aside
	}{
		{name: "none", damage: func(*testing.T, spool.Config) {}},
		{
			name: "a record written in part",
			damage: func(t *testing.T, cfg spool.Config) {
				change(t, openFile(t, cfg), func(b []byte) []byte {
					clear(b[headerBytes+9*slotBytes+32 : headerBytes+10*slotBytes])
					return b
				})
			},
			lost: []uint64{10}, badSlots: 1,
		},
		{
			name: "a slot reserved and never written",
			damage: func(t *testing.T, cfg spool.Config) {
				change(t, openFile(t, cfg), func(b []byte) []byte {
					clear(b[headerBytes+9*slotBytes : headerBytes+10*slotBytes])
					return b
				})
			},
			lost: []uint64{10},
		},
		{
			name: "the last records written in part",
			damage: func(t *testing.T, cfg spool.Config) {
				change(t, openFile(t, cfg), func(b []byte) []byte {
					for i := range 2 {
						b[headerBytes+(98+i)*slotBytes] ^= 1
					}
					return b
				})
			},
			lost: []uint64{99, 100}, badSlots: 2,
		},
		{
			name: "a torn end",
			damage: func(t *testing.T, cfg spool.Config) {
				change(t, openFile(t, cfg), func(b []byte) []byte { return b[:headerBytes+98*slotBytes+20] })
			},
			lost: []uint64{99, 100},
		},
		{
			name: "sealing that ended within the tail",
			damage: func(t *testing.T, cfg spool.Config) {
				change(t, openFile(t, cfg), func(b []byte) []byte {
					tail := b[headerBytes+rows*slotBytes:]
					copy(tail, "pokttail")
					for i := range tail[8:200] {
						tail[8+i] = byte(i)
					}
					return b
				})
			},
		},
		{
			name: "a destroyed header",
			damage: func(t *testing.T, cfg spool.Config) {
				change(t, openFile(t, cfg), func(b []byte) []byte { b[13] ^= 1; return b })
			},
			lost: every, bad: 1,
		},
		{
			name: "a lost dictionary",
			damage: func(t *testing.T, cfg spool.Config) {
				if err := os.Remove(files(t, cfg.Dir, "*.names")[0]); err != nil {
					t.Fatal(err)
				}
			},
			lost: every, bad: 1,
		},
		{
			name: "a torn dictionary",
			damage: func(t *testing.T, cfg spool.Config) {
				change(t, files(t, cfg.Dir, "*.names")[0], func(b []byte) []byte {
					at := bytes.Index(b, []byte("eth_call"))
					clear(b[at+4:])
					return b
				})
			},
			lost: every, badSlots: rows,
		},
		{
			name: "nothing but a name",
			damage: func(t *testing.T, cfg spool.Config) {
				change(t, openFile(t, cfg), func([]byte) []byte { return nil })
			},
			lost: every,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := killedFolder(t, rows)
			test.damage(t, cfg)
			s, set := reopen(t, cfg)
			appendRecord(t, s, 1000) // the new epoch goes on behind it
			flush(t, s)
			seen := counts(t, take(t, s))

			want := map[uint64]int{1000: 1}
			for id := uint64(1); id <= rows; id++ {
				want[id] = 1
			}
			for _, id := range test.lost {
				delete(want, id)
			}
			for id := range seen {
				if seen[id] != want[id] {
					t.Errorf("record %d is there %d times, want %d", id, seen[id], want[id])
				}
			}
			if len(seen) != len(want) {
				t.Errorf("%d records, want %d", len(seen), len(want))
			}
			if got := value(t, set, "poktai_spool_bad_slots_total"); got != test.badSlots {
				t.Errorf("%v bad slots counted, want %v", got, test.badSlots)
			}
			if got := value(t, set, "poktai_spool_bad_segments_total"); got != float64(test.bad) {
				t.Errorf("%v bad segments counted, want %d", got, test.bad)
			}
			if n := len(files(t, cfg.Dir, "*.bad")); n != test.bad {
				t.Errorf("%d files set aside, want %d", n, test.bad)
			}
			if left := append(files(t, cfg.Dir, "*-00000001.open"), sealedFiles(t, cfg.Dir)...); len(left) > 1 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestRecoveryMayBeKilled takes a folder whose recovery ended after each of its
// steps: the result is the same segment, byte for byte.
func TestRecoveryMayBeKilled(t *testing.T) {
	cfg := killedFolder(t, 50)
	before := copyFolder(t, cfg.Dir)
	s, _ := reopen(t, cfg)
	first, err := s.Oldest()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := os.ReadFile(sealedFiles(t, cfg.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	preallocated := files(t, before, "*-00000001.open")[0]
	for name, content := range map[string]func(open []byte) []byte{
		"before it began": func(open []byte) []byte { return open },
		"within the tail": func(open []byte) []byte {
			return append(sealed[:len(sealed)-70:len(sealed)-70], open[len(sealed)-70:]...)
		},
		"before the truncate":   func(open []byte) []byte { return append(sealed[:len(sealed):len(sealed)], open[len(sealed):]...) },
		"before the rename":     func([]byte) []byte { return sealed },
		"by a torn write of it": func([]byte) []byte { return sealed[:len(sealed)-10] },
	} {
		t.Run(name, func(t *testing.T) {
			again := cfg
			again.Dir = copyFolder(t, before)
			change(t, filepath.Join(again.Dir, filepath.Base(preallocated)), content)
			s, _ := reopen(t, again)
			segments := take(t, s)
			if len(segments) != 1 || segments[0].Name != first.Name || segments[0].SHA256 != first.SHA256 {
				t.Errorf("%d segments, the first with hash %x, want %x", len(segments), segments[0].SHA256, first.SHA256)
			}
		})
	}
}

// TestDamagedSealedSegment damages each region of a sealed file. It is set
// aside, and the segments behind it come through.
func TestDamagedSealedSegment(t *testing.T) {
	size := func(b []byte) int { return len(b) }
	at := func(offset func(b []byte) int) func([]byte) []byte {
		return func(b []byte) []byte { b[offset(b)] ^= 0x40; return b }
	}
	tests := map[string]func([]byte) []byte{
		"magic":             at(func([]byte) int { return 0 }),
		"gateway":           at(func([]byte) int { return 12 }),
		"number":            at(func([]byte) int { return 88 }),
		"header padding":    at(func([]byte) int { return 100 }),
		"record":            at(func([]byte) int { return headerBytes + 3*slotBytes + 32 }),
		"record's checksum": at(func([]byte) int { return headerBytes + 3*slotBytes + 60 }),
		"names":             at(func(b []byte) int { return bytes.Index(b, []byte("eth_call")) }),
		"count":             at(func(b []byte) int { return size(b) - 64 }),
		"CU":                at(func(b []byte) int { return size(b) - 56 }),
		"hash":              at(func(b []byte) int { return size(b) - 1 }),
		"torn":              func(b []byte) []byte { return b[:len(b)-1] },
		"longer":            func(b []byte) []byte { return append(b, 0) },
		"empty":             func([]byte) []byte { return nil },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			s, cfg := open(t, func(c *spool.Config) { c.SealAfter = time.Hour })
			for segment := range uint64(3) {
				for i := range uint64(10) {
					r := record(segment*10 + i + 1)
					r.Method = s.Intern("eth_call")
					if err := s.Append(&r); err != nil {
						t.Fatal(err)
					}
				}
				flush(t, s)
			}
			change(t, sealedFiles(t, cfg.Dir)[0], damage)
			segments := take(t, s)
			if len(segments) != 2 || segments[0].Seq != 2 {
				t.Errorf("%d segments came through, want the two behind the damaged one", len(segments))
			}
			if n := len(files(t, cfg.Dir, "*-00000001.seg.bad")); n != 1 {
				t.Errorf("%d files set aside, want 1", n)
			}
		})
	}
}

func TestRenamedSegmentIsRefused(t *testing.T) {
	s, cfg := open(t, nil)
	appendRecord(t, s, 1)
	flush(t, s)
	path := sealedFiles(t, cfg.Dir)[0]
	other := strings.Replace(path, "-00000001.seg", "-00000002.seg", 1)
	if err := os.Rename(path, other); err != nil {
		t.Fatal(err)
	}
	if _, err := spool.ReadSegment(other); err == nil {
		t.Error("a segment under another one's name was read: it would be stored twice")
	}
}

// TestLayout pins what is on disk: files of earlier versions must stay
// readable, and what customers check by hand must not move.
func TestLayout(t *testing.T) {
	s, cfg := open(t, nil)
	r := spool.Record{
		TimeMicros: 0x0102030405060708, Org: 0x1112131415161718, Key: 0x2122232425262728, RequestID: 0x3132333435363738,
		CU: 0x41424344, LatencyMicros: 0x45464748, RequestBytes: 0x494a4b4c, ResponseBytes: 0x4d4e4f50,
		Chain: s.Intern("eth"), Method: s.Intern("eth_call"), Upstream: spool.NoName, Prices: spool.Other,
		Outcome: spool.RPCError, Flags: spool.Notification, RPCCode: -32000,
	}
	if err := s.Append(&r); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	b, err := os.ReadFile(sealedFiles(t, cfg.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	const want = "" +
		"0807060504030201" + "1817161514131211" + "2827262524232221" + "3837363534333231" + // time, org, key, request
		"44434241" + "48474645" + "4c4b4a49" + "504f4e4d" + // CU, latency, request and response bytes
		"0200" + "0300" + "0000" + "0100" + // chain, method, upstream, prices
		"02" + "02" + "0083" // outcome, flags, code
	if got := hex.EncodeToString(b[headerBytes : headerBytes+slotBytes-4]); got != want {
		t.Errorf("record\n%s, want\n%s", got, want)
	}
	if len(b) > headerBytes+slotBytes+8+64+3*4+len("other")+len("eth")+len("eth_call") {
		t.Errorf("%d bytes for one record", len(b))
	}
}

// TestFullSegmentIsSmall holds the promise of at most 80 bytes an event.
func TestFullSegmentIsSmall(t *testing.T) {
	s, cfg := open(t, func(c *spool.Config) { c.SealAfter = time.Hour })
	for i := range uint64(cfg.SealRows) {
		r := record(i + 1)
		r.Method = s.Intern("eth_getBlockByNumber")
		if err := s.Append(&r); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	info, err := os.Stat(sealedFiles(t, cfg.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	if each := float64(info.Size()) / float64(cfg.SealRows); each > 80 {
		t.Errorf("%.1f bytes an event", each)
	}
}

// TestEveryByteOfASegmentCounts changes each byte of a sealed file in turn.
func TestEveryByteOfASegmentCounts(t *testing.T) {
	s, cfg := open(t, func(c *spool.Config) { c.SealAfter = time.Hour })
	for i := range uint64(5) {
		r := record(i + 1)
		r.Method = s.Intern("eth_call")
		if err := s.Append(&r); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	path := sealedFiles(t, cfg.Dir)[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := spool.ReadSegment(path); err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		b := bytes.Clone(whole)
		b[at] ^= 1 << (at % 8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := spool.ReadSegment(path); err == nil {
			t.Errorf("byte %d was changed and nobody saw it", at)
		}
	}
}
