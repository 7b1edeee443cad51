package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// prepareSpares keeps the next segment ready, so that a full one is replaced by
// the swap of a pointer. While that fails the spool is full.
func (s *Spool) prepareSpares() {
	for {
		s.mu.Lock()
		for s.spare != nil && !s.closed.Load() {
			changed := s.changed
			s.mu.Unlock()
			<-changed
			s.mu.Lock()
		}
		s.mu.Unlock()
		if s.closed.Load() {
			return
		}

		next, err := s.prepare()

		s.mu.Lock()
		if err != nil {
			s.becomeFullLocked(err)
			changed := s.changed // a deleted segment makes room at once
			s.mu.Unlock()
			s.pause(changed)
			continue
		}
		if s.full {
			s.full = false
			s.log.Info().Msg("spool: there is room again")
		}
		if s.current.Load() == nil && !s.closed.Load() {
			s.makeCurrent(next)
		} else {
			s.spare = next
		}
		s.announceLocked()
		s.mu.Unlock()
	}
}

// pause waits before the next attempt at what the disk refused. It ends early
// with Close, and by early.
func (s *Spool) pause(early <-chan struct{}) {
	timer := time.NewTimer(retryEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-s.closing:
	}
}

func (s *Spool) becomeFullLocked(err error) {
	if s.full {
		return
	}
	s.full = true
	s.log.Error().Err(err).Str("on_full", string(s.cfg.OnFull)).Msg("spool: no room for the next segment")
	s.announceLocked() // an append may wait for this outcome
}

// prepare creates the next segment.
func (s *Spool) prepare() (_ *openSegment, err error) {
	size := openSize(s.cfg.SealRows)
	s.mu.Lock()
	total, warm := s.bytes, s.warm
	if total+size <= s.cfg.MaxBytes {
		s.bytes += size
	}
	s.mu.Unlock()
	if total+size > s.cfg.MaxBytes {
		return nil, fmt.Errorf("segments take %d bytes, max_bytes is %d", total, s.cfg.MaxBytes)
	}
	defer func() {
		if err != nil {
			s.mu.Lock()
			s.bytes -= size
			s.mu.Unlock()
		}
	}()
	if !s.names.attached() {
		if err := s.createNames(); err != nil {
			return nil, err
		}
	}
	o, err := createSegment(s.cfg.Dir, id{gateway: s.gateway, epoch: s.epoch, seq: s.lastSeq + 1}, s.cfg.SealRows, warm)
	if err != nil {
		return nil, err
	}
	s.lastSeq++
	return o, nil
}

// createNames gives the dictionary its file, before the first segment.
func (s *Spool) createNames() error {
	path := s.namesPath()
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := allocate(file, namesSize); err != nil {
		err = &os.PathError{Op: "allocate", Path: path, Err: err}
		return errors.Join(err, file.Close(), os.Remove(path))
	}
	if err := s.names.attach(file); err != nil {
		return errors.Join(err, file.Close(), os.Remove(path))
	}
	return nil
}

// sealQueued seals segments in the order in which they were written. One that
// the disk refuses is tried again until Close, and recovered at the next start.
func (s *Spool) sealQueued() {
	for {
		s.mu.Lock()
		for len(s.sealing) == 0 && !s.closed.Load() {
			changed := s.changed
			s.mu.Unlock()
			<-changed
			s.mu.Lock()
		}
		if len(s.sealing) == 0 {
			s.mu.Unlock()
			return
		}
		next := s.sealing[0]
		s.mu.Unlock()

		done, err := s.seal(next)
		if err != nil {
			s.metrics.sealErrors.Inc()
			s.log.Error().Err(err).Stringer("segment", next.id).Msg("spool: seal a segment")
			if s.closed.Load() {
				return
			}
			s.pause(nil)
			continue
		}
		s.mu.Lock()
		s.sealing = s.sealing[1:]
		s.bytes -= openSize(s.cfg.SealRows)
		if done != nil {
			s.sealed = append(s.sealed, *done)
			s.counts.sealed(done)
			s.bytes += done.size
		}
		s.announceLocked()
		s.mu.Unlock()
	}
}

// seal turns an open segment into a sealed file. It returns nil if there was
// nothing in it.
func (s *Spool) seal(o *openSegment) (*sealed, error) {
	slots := o.finish()
	if slots == 0 {
		return nil, o.discard()
	}
	start := time.Now()
	texts := s.names.table()
	found := scanSlots(o.rows[:slots*recordSize], texts)
	size, err := sealFile(o.file, o.id, o.rows, found, texts)
	if err == nil {
		err = s.disk.sync(o.file)
	}
	if err != nil {
		return nil, err
	}
	done, err := s.sealedName(o.path, o.id, size, found.summary)
	if err != nil {
		return nil, err
	}
	s.metrics.sealDuration.UpdateDuration(start)
	s.count(o.id, found)
	if err := o.close(); err != nil {
		s.log.Warn().Err(err).Stringer("segment", o.id).Msg("spool: close a sealed segment")
	}
	return done, nil
}

// sealedName gives a file that was sealed its sealed name.
func (s *Spool) sealedName(path string, i id, size int64, sum summary) (*sealed, error) {
	to := filepath.Join(s.cfg.Dir, i.String()+sealedExt)
	if err := os.Rename(path, to); err != nil {
		return nil, err
	}
	if err := syncDir(s.disk, s.cfg.Dir); err != nil {
		// Power failure may bring the old name back; then the file is found
		// to be sealed and gets this one again.
		s.metrics.syncErrors.Inc()
		s.log.Error().Err(err).Msg("spool: sync the folder")
	}
	return &sealed{summary: sum, id: i, path: to, size: size, at: time.Now()}, nil
}

// count reports what was found in the slots of a segment.
func (s *Spool) count(i id, found *scan) {
	s.metrics.rowsSealed.Add(int(found.rows))
	if n := len(found.bad); n > 0 {
		s.metrics.badSlots.Add(n)
		s.log.Warn().Stringer("segment", i).Int("slots", n).Msg("spool: skipped slots that hold no whole record")
	}
}

// tick syncs what was appended and seals a segment that waited long enough. Not
// without a spare, though: a full spool takes records as long as it can.
func (s *Spool) tick() {
	ticker := time.NewTicker(s.cfg.SyncInterval)
	defer ticker.Stop()
	var waiting *openSegment // the segment first seen non-empty at since
	var since time.Time
	failing := false
	for {
		select {
		case <-s.closing:
			return
		case <-ticker.C:
		}
		now := time.Now()
		o := s.current.Load()
		if o == nil {
			continue
		}
		if o.empty() {
			o.emptySince.Store(now.UnixMicro())
			continue
		}
		if err := errors.Join(s.names.sync(s.disk), o.sync(s.disk)); err != nil {
			s.metrics.syncErrors.Inc()
			if !failing {
				s.log.Error().Err(err).Msg("spool: sync to the disk")
			}
			failing = true
		} else {
			failing = false
		}
		if o != waiting {
			waiting, since = o, now
		}
		if now.Sub(since) >= s.cfg.SealAfter-s.cfg.SyncInterval {
			s.mu.Lock()
			if s.current.Load() == o && s.spare != nil {
				s.turnLocked()
			}
			s.mu.Unlock()
		}
	}
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
