package main

import (
	"context"
	"io"
	"net"
	"sync"
)

// relay carries connections to a listener of the engine. When ctx ends it ends
// them, because the engine waits for them at its shutdown.
//
// Clients do not speak to the engine themselves because clickhouse-local ends
// when a connection breaks, where the server logs it (KillingErrorHandler in
// programs/local/LocalServer.cpp): the engine is shown an orderly end of what the
// client sent, and what it still has to say is read to its end.
func relay(ctx context.Context, l net.Listener, engine string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", engine)
			if err != nil {
				return
			}
			defer server.Close()
			defer context.AfterFunc(ctx, func() { _ = client.Close() })()
			var asking sync.WaitGroup
			asking.Go(func() {
				_, _ = io.Copy(server, client)
				_ = server.(*net.TCPConn).CloseWrite()
			})
			_, _ = io.Copy(client, server)
			_ = client.Close()
			_, _ = io.Copy(io.Discard, server)
			asking.Wait()
		}()
	}
}
