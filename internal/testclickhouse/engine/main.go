// Command engine is a test program: it serves a current ClickHouse on loopback
// ports, over HTTP and the native protocol, where no ClickHouse server is
// packaged. It is ClickHouse itself: its shared library, as chDB publishes it
// (package.json names the version), runs clickhouse-local in this process, and
// SYSTEM START LISTEN opens the server's own listeners. There are no users and
// no passwords: it is for tests alone. A native connection that is refused at its
// handshake, as one to a database that is not there, ends it.
//
//	engine -data DIR -http 8123 -native 9000
//
// It serves until it is interrupted or terminated, and shuts down in good order;
// with -until-eof also when its standard input ends, so that it cannot outlive a
// test that started it. Killed, it finds its data again at the next start.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

func main() {
	// The engine gets the first thread, whose stack is the largest.
	runtime.LockOSThread()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

func run() error {
	library := flag.String("library", "", "path of libchdb.so (default: beside this program)")
	data := flag.String("data", "", "folder of the data")
	web := flag.Uint("http", 0, "port for HTTP")
	native := flag.Uint("native", 0, "port for the native protocol")
	untilEOF := flag.Bool("until-eof", false, "stop when standard input ends")
	flag.Parse()
	if *data == "" || *web == 0 || *native == 0 || flag.NArg() > 0 {
		flag.Usage()
		return errors.New("-data, -http and -native must be set, and nothing else")
	}
	if *library == "" {
		program, err := os.Executable()
		if err != nil {
			return err
		}
		*library = filepath.Join(filepath.Dir(program), "libchdb.so")
	}
	path, err := filepath.Abs(*data) // of a relative one it gets some wrong
	if err != nil {
		return err
	}
	clickhouse, err := load(*library)
	if err != nil {
		return err
	}
	// Before the engine touches the data: who finds a port taken leaves it alone.
	nativeListener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *native))
	if err != nil {
		return err
	}
	defer nativeListener.Close()
	webListener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *web))
	if err != nil {
		return err
	}
	defer webListener.Close()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if *untilEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	// The engine's listeners are open for as long as clickhouse-local has a query
	// to run: one that reads a pipe nobody writes to.
	hold, release, err := os.Pipe()
	if err != nil {
		return err
	}
	defer hold.Close()
	go func() {
		<-ctx.Done()
		_ = release.Close()
	}()
	// It takes two free ports, and says which through another pipe.
	ports, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer tell.Close()
	go func() {
		var engineNative, engineWeb int
		if _, err := fmt.Fscan(ports, &engineNative, &engineWeb); err != nil {
			return // it never came so far
		}
		go relay(ctx, nativeListener, fmt.Sprintf("127.0.0.1:%d", engineNative))
		go relay(ctx, webListener, fmt.Sprintf("127.0.0.1:%d", engineWeb))
	}()

	err = clickhouse.local(
		"--path="+path,
		"--logger.console=1", "--log-level=fatal",
		"--listen_host=127.0.0.1", "--tcp_port=0", "--http_port=0",
		fmt.Sprintf(`--query=
			SYSTEM START LISTEN TCP;
			SYSTEM START LISTEN HTTP;
			INSERT INTO FUNCTION file('/dev/fd/%d', TSV, 'native UInt16, web UInt16')
				SELECT getServerPort('tcp_port'), getServerPort('http_port');
			SELECT * FROM file('/dev/fd/%d', LineAsString)`, tell.Fd(), hold.Fd()),
	)
	if err != nil {
		return err
	}
	if ctx.Err() == nil {
		return errors.New("it ended by itself, as said above") // by clickhouse-local
	}
	return nil
}
