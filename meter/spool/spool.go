// Package spool keeps records on disk from the moment they are appended until
// their segment is acknowledged.
//
// Append copies 64 bytes into a preallocated, memory-mapped file: no lock, no
// system call, no allocation, and what was appended outlives the process. A
// file that is full or old enough is sealed: it gets the names that its records
// use and a hash over all of it, and never changes again. Sealed segments are
// taken oldest first and deleted by whoever has stored them; whatever is not
// deleted is there again after a restart.
//
// It is not its job to know what a record means, to send it anywhere or to try
// again: that is package meter.
package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"
)

var (
	// ErrFull is returned by Append while the disk or max_bytes is full and
	// the policy is "shed".
	ErrFull = errors.New("the spool is full")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the spool is closed")
)

const (
	sealedExt = ".seg"   // sealed
	openExt   = ".open"  // being written, or left by a killed process
	namesExt  = ".names" // dictionary of an epoch
	badExt    = ".bad"   // set aside

	// retryEvery is how long to wait before asking a disk again that failed.
	retryEvery = time.Second
	// spareWait bounds how long an append waits for the next segment when
	// writers outrun its preparation; after that the disk counts as full.
	spareWait = time.Second
	// leastWarm is how many slots are mapped in advance at least: 256 KiB.
	leastWarm = 4096
)

// A Spool is safe for concurrent use. Close it.
type Spool struct {
	cfg     Config
	log     zerolog.Logger
	metrics *instruments
	lock    *os.File
	id      string // of the folder
	gateway string
	epoch   uint64
	names   *dictionary
	disk    *syncer
	lastSeq uint64 // of the newest segment prepared; only its preparation uses it

	current atomic.Pointer[openSegment] // nil: full or closed
	closed  atomic.Bool

	mu      sync.Mutex
	changed chan struct{}  // closed and replaced at every change of what follows
	spare   *openSegment   // the next current
	full    bool           // the last preparation of a spare failed
	sealing []*openSegment // oldest first
	sealed  []sealed       // oldest first
	counts  EpochProgress  // of this epoch
	older   []EpochProgress
	bytes   int64 // of all segments in the folder, with the room they are given
	warm    int   // slots of the next spare to map in advance

	background sync.WaitGroup
	closing    chan struct{}
	closeOnce  sync.Once
	closeErr   error
}

// Open takes the folder, recovers what a killed process left in it and starts a
// new epoch. It fails if another process has the folder. It does not fail
// because the disk is full: the spool then is full until there is room.
func Open(cfg Config, log zerolog.Logger, set *metrics.Set) (*Spool, error) {
	gateway := cfg.Gateway
	if gateway == "" {
		var err error
		if gateway, err = hostGateway(); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Spool{
		cfg:     cfg,
		log:     log,
		lock:    lock,
		gateway: gateway,
		names:   newDictionary(),
		disk:    newSyncer(),
		changed: make(chan struct{}),
		closing: make(chan struct{}),
		warm:    leastWarm,
		metrics: newInstruments(set),
	}
	if err := s.start(); err != nil {
		s.disk.close()
		return nil, errors.Join(fmt.Errorf("open spool %q: %w", cfg.Dir, err), s.names.close(), lock.Close())
	}
	s.measure(set)
	return s, nil
}

func (s *Spool) start() error {
	newest, err := s.recoverDir()
	if err != nil {
		return err
	}
	if s.epoch, s.id, err = nextEpoch(s.lock, newest, time.Now()); err != nil {
		return err
	}
	s.counts.Epoch = s.epoch
	if first, err := s.prepare(); err != nil {
		s.mu.Lock()
		s.becomeFullLocked(err)
		s.mu.Unlock()
	} else {
		s.makeCurrent(first)
	}
	s.background.Go(s.prepareSpares)
	s.background.Go(s.sealQueued)
	s.background.Go(s.tick)
	return nil
}

// Intern returns the number of name in this process. The name is on disk when
// it returns. It answers Other for a name of more than 128 bytes and once there
// are about ten thousand names: intern names from a configuration, never what a
// client sent. It takes a lock.
func (s *Spool) Intern(name string) Name {
	n, ok, err := s.names.intern(name)
	if err != nil {
		s.log.Error().Err(err).Msg("spool: write a name to the dictionary")
	}
	if !ok {
		s.metrics.namesRefused.Inc()
	}
	return n
}

// Append keeps r. When it returns nil the record outlives a kill of the process
// and, sync_interval later, power failure. It returns ErrFull or ErrClosed; with
// the policy "count_and_drop" it returns nil instead of ErrFull. It may wait for
// the disk, at most a second, if records come faster than the disk takes them.
func (s *Spool) Append(r *Record) error {
	for {
		o := s.current.Load()
		if o == nil {
			return s.refuse()
		}
		if o.append(r) {
			return nil
		}
		s.replace(o)
	}
}

// Ready returns what Append would return now, for a caller that must know
// before it does the work that a record is about.
func (s *Spool) Ready() error {
	if s.current.Load() != nil {
		return nil
	}
	return s.refusal()
}

// refusal is what an append gets that found no segment.
func (s *Spool) refusal() error {
	switch {
	case s.closed.Load():
		return ErrClosed
	case s.cfg.OnFull == CountAndDrop:
		return nil
	default:
		return ErrFull
	}
}

func (s *Spool) refuse() error {
	err := s.refusal()
	switch {
	case errors.Is(err, ErrFull):
		s.metrics.rowsShed.Inc()
	case err == nil:
		s.metrics.rowsDropped.Inc()
	}
	return err
}

// replace puts the spare in the place of a segment that is spent. Without a
// spare it waits for the outcome of the preparation under way.
func (s *Spool) replace(spent *openSegment) {
	timeout := time.NewTimer(spareWait)
	defer timeout.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for late := false; s.current.Load() == spent; {
		if s.spare != nil || s.full || late {
			s.turnLocked()
			return
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-timeout.C:
			late = true
		}
		s.mu.Lock()
	}
}

// turnLocked hands the current segment over for sealing.
func (s *Spool) turnLocked() {
	spent := s.current.Load()
	// Twice what this one took: a busy gateway never waits for a page, and a
	// quiet one does not map thousands that it will not use.
	s.warm = max(leastWarm, 2*int(min(spent.reserved.Load(), spent.slots)))
	s.sealing = append(s.sealing, spent)
	s.makeCurrent(s.spare)
	s.spare = nil
	s.announceLocked()
}

// makeCurrent lets appends have next, which may be nil.
func (s *Spool) makeCurrent(next *openSegment) {
	if next != nil {
		next.emptySince.Store(time.Now().UnixMicro())
	}
	s.current.Store(next)
}

func (s *Spool) announceLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// await returns with s.mu held once ready, called with s.mu held, reports true,
// or with the error of ctx.
func (s *Spool) await(ctx context.Context, ready func() bool) error {
	s.mu.Lock()
	for !ready() {
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			s.mu.Lock()
			return ctx.Err()
		}
		s.mu.Lock()
	}
	return nil
}

// Flush seals what was appended before the call and waits until that is done.
func (s *Spool) Flush(ctx context.Context) error {
	err := s.await(ctx, func() bool {
		o := s.current.Load()
		return o == nil || o.empty() || s.spare != nil || s.full
	})
	if o := s.current.Load(); err == nil && o != nil && !o.empty() {
		s.turnLocked()
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	err = s.await(ctx, func() bool { return len(s.sealing) == 0 })
	s.mu.Unlock()
	return err
}

// Close seals what was appended and gives the folder back. It may be called
// more than once.
func (s *Spool) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.shut() })
	return s.closeErr
}

func (s *Spool) shut() error {
	s.mu.Lock()
	s.closed.Store(true)
	close(s.closing)
	if last := s.current.Swap(nil); last != nil {
		s.sealing = append(s.sealing, last)
	}
	s.announceLocked()
	s.mu.Unlock()
	s.background.Wait()

	var errs []error
	for _, o := range s.sealing { // what the disk did not let us seal, for recovery
		errs = append(errs, fmt.Errorf("segment %s is left open", o.id), o.close())
	}
	if s.spare != nil {
		errs = append(errs, s.spare.discard())
	}
	errs = append(errs, s.names.close())
	if len(s.sealing) == 0 {
		errs = append(errs, removeIfThere(s.namesPath()))
	}
	errs = append(errs, syncDir(s.disk, s.cfg.Dir), s.lock.Close())
	s.disk.close()
	return errors.Join(errs...)
}

func (s *Spool) namesPath() string {
	return filepath.Join(s.cfg.Dir, fmt.Sprintf("%013d", s.epoch)+namesExt)
}
