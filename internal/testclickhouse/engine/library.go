package main

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// A library is what this program uses of chDB's C interface.
type library struct {
	cmdline func(argc int32, argv **byte) uintptr
	failure func(result uintptr) string
	destroy func(result uintptr)
}

func load(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load the engine: %w", err)
	}
	var l library
	purego.RegisterLibFunc(&l.cmdline, handle, "chdb_query_cmdline")
	purego.RegisterLibFunc(&l.failure, handle, "chdb_result_error")
	purego.RegisterLibFunc(&l.destroy, handle, "chdb_destroy_query_result")
	return &l, nil
}

// local runs clickhouse-local until its queries are done.
func (l *library) local(args ...string) error {
	argv := make([]*byte, 0, len(args)+2)
	for _, arg := range append([]string{"clickhouse"}, args...) {
		argv = append(argv, unsafe.SliceData(append([]byte(arg), 0)))
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	for _, arg := range argv {
		pin.Pin(arg)
	}
	argc := int32(len(argv))
	result := l.cmdline(argc, unsafe.SliceData(append(argv, nil)))
	if result == 0 {
		return errors.New("the engine returned nothing")
	}
	defer l.destroy(result)
	if text := l.failure(result); text != "" {
		return errors.New(text)
	}
	return nil
}
