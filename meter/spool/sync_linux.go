package spool

import (
	"os"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A syncer has the kernel write files to the disk while the goroutine that asked
// waits in the runtime's poller. The system calls fsync and msync hold the
// goroutine's processor until the scheduler's watchdog takes it away, which may
// be 10 ms later; with GOMAXPROCS=1 every request waits as long. It is safe for
// concurrent use.
type syncer struct {
	mu      sync.Mutex
	context uintptr  // of asynchronous I/O; 0: the kernel has none
	done    *os.File // an eventfd, readable when the work is done
	eventFD uint32   // its descriptor
}

// newSyncer returns a syncer; where the kernel offers no asynchronous I/O it
// makes the system call.
func newSyncer() *syncer {
	s := &syncer{}
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&s.context)), 0); errno != 0 {
		return s
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		s.close()
		return s
	}
	s.done, s.eventFD = os.NewFile(uintptr(fd), "eventfd"), uint32(fd)
	return s
}

// iocb and ioEvent are the kernel's structs of those names (linux/aio_abi.h).
type iocb struct {
	_       [2]uint64 // data, key, rw_flags
	opcode  uint16
	_       uint16 // reqprio
	fd      uint32
	_       [4]uint64 // buf, nbytes, offset, reserved2
	flags   uint32
	eventFD uint32
}

type ioEvent struct {
	_      [2]uint64 // data, obj
	result int64
	_      int64 // res2
}

const (
	iocbFsync   = 2
	iocbEventFD = 1 // announce the end on eventFD
)

// sync returns when all that was written to f, through a mapping too, is on the
// disk.
func (s *syncer) sync(f *os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.context == 0 {
		return f.Sync()
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	// Control keeps the descriptor open until the work is done.
	if err := raw.Control(func(fd uintptr) { result = s.fsync(fd) }); err != nil {
		return err
	}
	if result != nil {
		return &os.PathError{Op: "fsync", Path: f.Name(), Err: result}
	}
	return nil
}

func (s *syncer) fsync(fd uintptr) error {
	cb := &iocb{opcode: iocbFsync, fd: uint32(fd), flags: iocbEventFD, eventFD: s.eventFD}
	list := [1]*iocb{cb}
	_, _, errno := unix.Syscall(unix.SYS_IO_SUBMIT, s.context, 1, uintptr(unsafe.Pointer(&list)))
	runtime.KeepAlive(cb)
	if errno != 0 {
		return unix.Fsync(int(fd)) // not on this filesystem
	}
	var count [8]byte
	if _, err := s.done.Read(count[:]); err != nil {
		return err
	}
	var event ioEvent
	if _, _, errno := unix.Syscall6(unix.SYS_IO_GETEVENTS, s.context, 1, 1, uintptr(unsafe.Pointer(&event)), 0, 0); errno != 0 {
		return errno
	}
	if event.result < 0 {
		return unix.Errno(-event.result)
	}
	return nil
}

func (s *syncer) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.context != 0 {
		_, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, s.context, 0, 0)
		s.context = 0
	}
	if s.done != nil {
		_ = s.done.Close()
		s.done = nil
	}
}
