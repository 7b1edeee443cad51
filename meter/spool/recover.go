package spool

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockName is the file that one process at a time has locked; it holds the last
// epoch and the folder's id.
const lockName = "epoch"

func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errors.New("another process is using it")
		}
		return nil, errors.Join(fmt.Errorf("lock spool folder %q: %w", dir, err), file.Close())
	}
	return file, nil
}

// nextEpoch returns an epoch that no segment of this gateway was ever named
// after, and keeps it. It is not less than the time in milliseconds, so that a
// folder that was lost and begun again does not repeat names that the sink has
// stored: it would take new segments for old ones. A folder that has no id yet
// gets one.
func nextEpoch(lock *os.File, newest uint64, now time.Time) (epoch uint64, folder string, err error) {
	text, err := io.ReadAll(lock)
	if err != nil {
		return 0, "", err
	}
	first, folder, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	// A torn number is as good as none: newest and the time are beyond it.
	last, _ := strconv.ParseUint(first, 10, 64)
	epoch = max(last+1, newest+1, uint64(now.UnixMilli()))
	if len(folder) != folderIDLen {
		folder = rand.Text()
	}
	// In place, which works on a full disk too.
	if _, err := lock.WriteAt(fmt.Appendf(nil, "%020d\n%s\n", epoch, folder), 0); err != nil {
		return 0, "", err
	}
	return epoch, folder, lock.Sync()
}

const folderIDLen = 26 // of rand.Text

// recoverDir reads the folder, seals what a killed process left open, and
// returns the newest epoch in it.
func (s *Spool) recoverDir() (newest uint64, err error) {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return 0, err
	}
	var open []id
	var dictionaries []string
	ends := make(epochEnds)
	for _, entry := range entries {
		path := filepath.Join(s.cfg.Dir, entry.Name())
		base, ext := strings.TrimSuffix(entry.Name(), filepath.Ext(entry.Name())), filepath.Ext(entry.Name())
		info, err := entry.Info()
		if err != nil {
			return 0, err
		}
		switch ext {
		case namesExt:
			dictionaries = append(dictionaries, path)
		case badExt:
			s.bytes += info.Size()
		case openExt, sealedExt:
			i, ok := parseID(base)
			if !ok {
				s.log.Warn().Str("file", path).Msg("spool: left a file alone whose name is no segment's")
				continue
			}
			newest = max(newest, i.epoch)
			if ext == openExt {
				open = append(open, i)
				continue
			}
			sum, err := readSummary(path, info.Size())
			if err != nil {
				return 0, err
			}
			ends.used(i)
			s.bytes += info.Size()
			s.sealed = append(s.sealed, sealed{summary: sum, id: i, path: path, size: info.Size(), at: info.ModTime()})
		}
	}
	slices.SortFunc(open, id.compare)
	for _, i := range open {
		used, err := s.recoverSegment(i)
		if err != nil {
			return 0, fmt.Errorf("recover segment %s: %w", i, err)
		}
		if used {
			ends.used(i)
		} else {
			ends.unused(i)
		}
	}
	s.older = ends.list(s.gateway)
	slices.SortFunc(s.sealed, func(a, b sealed) int { return a.id.compare(b.id) })
	for _, path := range dictionaries {
		if err := os.Remove(path); err != nil {
			return 0, err
		}
	}
	return newest, syncDir(s.disk, s.cfg.Dir)
}

// recoverSegment seals the records of an open segment whose checksum holds, and
// reports whether there is anything in it. It may be interrupted and repeated.
func (s *Spool) recoverSegment(i id) (used bool, err error) {
	path := filepath.Join(s.cfg.Dir, i.String()+openExt)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer file.Close() //nolint:errcheck // what was written to it is synced
	b, err := io.ReadAll(file)
	if err != nil {
		return false, err
	}
	if len(b) < headerSize || len(bytes.Trim(b[headerSize:], "\x00")) == 0 {
		return false, os.Remove(path) // nothing was appended
	}
	size := int64(len(b))
	if segment, err := decodeSegment(b); err == nil && segment.Name == i.String() {
		sum := summaryOf(b)
		return true, s.adopt(path, i, size, sum) // it only lacked its name
	}
	header, err := decodeHeader(b)
	if err != nil || header != i {
		s.bytes += size
		s.setAside(sealed{id: i, path: path, size: size}, cmp.Or(err, errFormat))
		return true, nil
	}
	texts, err := s.recoverNames(i.epoch)
	if errors.Is(err, fs.ErrNotExist) {
		// Nothing says what its numbers mean. A person may still find out.
		s.bytes += size
		s.setAside(sealed{id: i, path: path, size: size}, err)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	rows := b[headerSize:]
	found := scanSlots(rows, texts)
	s.count(i, found)
	if found.rows == 0 {
		return false, os.Remove(path)
	}
	if size, err = sealFile(file, i, rows, found, texts); err != nil {
		return false, err
	}
	if err := s.disk.sync(file); err != nil {
		return false, err
	}
	s.metrics.rowsRecovered.Add(int(found.rows))
	s.log.Info().Stringer("segment", i).Uint32("rows", found.rows).Msg("spool: recovered an open segment")
	return true, s.adopt(path, i, size, found.summary)
}

func (s *Spool) adopt(path string, i id, size int64, sum summary) error {
	done, err := s.sealedName(path, i, size, sum)
	if err != nil {
		return err
	}
	s.bytes += size
	s.sealed = append(s.sealed, *done)
	return nil
}

func (s *Spool) recoverNames(epoch uint64) ([]string, error) {
	file, err := os.Open(filepath.Join(s.cfg.Dir, fmt.Sprintf("%013d", epoch)+namesExt))
	if err != nil {
		return nil, err
	}
	texts, err := readNames(file)
	return texts, errors.Join(err, file.Close())
}
