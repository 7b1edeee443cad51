package account

import "time"

// A Gateway is a gateway that meters calls: who holds its id, and how far what
// it recorded has come.
type Gateway struct {
	ID    string
	Spool string // id of the spool folder to which the gateway's id belongs
	Host  string // where it runs, for people
	Epoch uint64 // of its last start

	ClaimedAt time.Time // of its last start
	BeatAt    time.Time // when it last reported
	// Watermark: all calls that it recorded and that ended before it are stored.
	// It goes back with the gateway's clock.
	Watermark time.Time
	// RetiredAt is when it was given up, after which no hour waits for it. Zero:
	// it was not.
	RetiredAt time.Time
}

// EpochEnd says how an epoch ended.
type EpochEnd string

// The ways an epoch ends.
const (
	Running EpochEnd = ""       // it has not, as far as is known
	Clean   EpochEnd = "clean"  // the process stopped and reported its last counts
	Killed  EpochEnd = "killed" // the next start found what it had left
)

// An Epoch is what a gateway counted between one start and the next. All counts
// are of calls (rows) that were recorded in that epoch.
type Epoch struct {
	Gateway string
	Number  uint64
	Spool   string // id of the spool folder that has its segments
	Ended   EpochEnd

	StartedAt time.Time
	BeatAt    time.Time // when the counts were taken

	Accepted, AcceptedCU int64  // taken by the recorder
	Dropped              int64  // of the accepted: served and not kept, for want of room
	Sealed, SealedCU     int64  // in the segments 1 to SealedSeq
	SealedSeq            uint64 // of the newest sealed segment
	// AckedSeq: the gateway has no segment of the epoch up to this one any more.
	// The sink has acknowledged each, unless it was damaged and set aside.
	AckedSeq uint64
	// FinalSeq is the epoch's last segment, known once it has ended and if the
	// spool folder told.
	FinalSeq uint64
}
