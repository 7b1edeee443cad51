package spool

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

// A sealed is a sealed segment in the folder.
type sealed struct {
	summary
	id   id
	path string
	size int64
	at   time.Time // when it was sealed
}

// Wait returns nil when there is a sealed segment. It returns ErrClosed or the
// error of ctx.
func (s *Spool) Wait(ctx context.Context) error {
	err := s.await(ctx, func() bool { return len(s.sealed) > 0 || s.closed.Load() })
	s.mu.Unlock()
	if err == nil && s.closed.Load() {
		return ErrClosed
	}
	return err
}

// Oldest reads the oldest sealed segment; the next call returns the same one
// until it is deleted. It returns nil if there is none. A segment that cannot
// be verified is set aside and counted, and the one behind it is returned.
func (s *Spool) Oldest() (*Segment, error) {
	for {
		if s.closed.Load() {
			return nil, ErrClosed
		}
		s.mu.Lock()
		if len(s.sealed) == 0 {
			s.mu.Unlock()
			return nil, nil
		}
		oldest := s.sealed[0]
		s.mu.Unlock()

		segment, err := ReadSegment(oldest.path)
		switch {
		case err == nil:
			return segment, nil
		case errors.Is(err, errFormat), errors.Is(err, fs.ErrNotExist):
			s.setAside(oldest, err)
		default:
			return nil, err
		}
	}
}

// Delete removes a segment that is stored elsewhere.
func (s *Spool) Delete(segment *Segment) error {
	if s.closed.Load() {
		return ErrClosed
	}
	s.mu.Lock()
	at := slices.IndexFunc(s.sealed, func(f sealed) bool { return f.id.String() == segment.Name })
	if at < 0 {
		s.mu.Unlock()
		return nil // deleted before
	}
	file := s.sealed[at]
	s.mu.Unlock()
	if err := removeIfThere(file.path); err != nil {
		return err
	}
	s.forget(file, file.size)
	return nil
}

// setAside keeps a damaged segment for a person to look at, out of the way of
// the others.
func (s *Spool) setAside(file sealed, cause error) {
	s.metrics.badSegments.Inc()
	freed := int64(0)
	err := os.Rename(file.path, file.path+badExt)
	if errors.Is(err, fs.ErrNotExist) {
		freed = file.size
	}
	s.log.Error().Err(cause).AnErr("rename", err).Stringer("segment", file.id).
		Msg("spool: set a damaged segment aside: its records are not billed")
	s.forget(file, freed)
}

func (s *Spool) forget(file sealed, freed int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.sealed)
	s.sealed = slices.DeleteFunc(s.sealed, func(f sealed) bool { return f.id == file.id })
	if len(s.sealed) == before {
		return
	}
	s.bytes -= freed
	s.announceLocked()
}
