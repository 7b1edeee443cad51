package spool

import (
	"runtime"
	"testing"
)

// TestFinishWaitsForAWriterThatHoldsASlot stops a writer between reserving its
// slot and writing it. Sealing then would leave its record out.
func TestFinishWaitsForAWriterThatHoldsASlot(t *testing.T) {
	o, err := createSegment(t.TempDir(), id{gateway: "gw-1", epoch: 1, seq: 1}, 10, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	slot := o.reserved.Add(1) - 1
	finished := make(chan int64, 1)
	go func() { finished <- o.finish() }()
	for range 10_000 {
		runtime.Gosched()
		if len(finished) > 0 {
			t.Fatal("finished before the slot was written")
		}
	}
	r := Record{CU: 1}
	r.put((*[recordSize]byte)(o.rows[slot*recordSize:]))
	o.written.Add(1)
	if slots := <-finished; slots != 1 {
		t.Errorf("%d slots in use, want 1", slots)
	}
	if o.append(&r) {
		t.Error("a finished segment took a record")
	}
}
