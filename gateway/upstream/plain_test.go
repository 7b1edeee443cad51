package upstream

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/valyala/fasthttp"
)

const plainAnswer = "HTTP/1.1 200 OK\r\nDate: Mon, 02 Jan 2026 15:04:05 GMT\r\nContent-Type: application/json\r\nContent-Length: 62\r\nVary: Origin\r\n\r\n" +
	`{"jsonrpc":"2.0","id":1,"result":"0x1234567890abcdef12345678"}`

// FuzzPlainResponse holds the short way to the parser it stands in for.
func FuzzPlainResponse(f *testing.F) {
	for _, seed := range []string{
		plainAnswer,
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/1.1 500\r\ncontent-length: 0\r\nConnection: keep-alive\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Encoding: gzip\r\n\r\nab",
		"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n folded: x\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nab",
		"HTTP/1.1 200 OK\nContent-Length: 2\n\nab",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\ncd",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		const limit = 1 << 16
		r := bufio.NewReaderSize(bytes.NewReader(wire), 1<<16)
		if _, err := r.Peek(1); err != nil {
			return
		}
		before := r.Buffered()
		var got, want fasthttp.Response
		if !readPlain(r, &got, limit) {
			if r.Buffered() != before {
				t.Fatal("a response that is not plain was consumed")
			}
			return
		}
		full := bufio.NewReaderSize(bytes.NewReader(wire), 1<<16)
		if err := want.ReadLimitBody(full, limit); err != nil {
			t.Fatalf("fasthttp refuses what was taken for plain: %v", err)
		}
		if got.StatusCode() != want.StatusCode() || !bytes.Equal(got.Body(), want.Body()) || r.Buffered() != full.Buffered() || want.ConnectionClose() {
			t.Fatalf("read %d %q with %d bytes left, fasthttp %d %q with %d, close %v",
				got.StatusCode(), got.Body(), r.Buffered(), want.StatusCode(), want.Body(), full.Buffered(), want.ConnectionClose())
		}
	})
}

func TestNodesAnswersAreReadTheShortWay(t *testing.T) {
	for _, wire := range []string{
		plainAnswer,
		"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
		"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n",
	} {
		r := bufio.NewReader(bytes.NewReader([]byte(wire)))
		_, _ = r.Peek(1)
		var resp fasthttp.Response
		if !readPlain(r, &resp, 1<<10) {
			t.Errorf("not read: %q", wire)
		}
	}
}

func BenchmarkResponse(b *testing.B) {
	for name, read := range map[string]func(*bufio.Reader, *fasthttp.Response) bool{
		"plain":    func(r *bufio.Reader, resp *fasthttp.Response) bool { return readPlain(r, resp, 1<<20) },
		"fasthttp": func(r *bufio.Reader, resp *fasthttp.Response) bool { return resp.ReadLimitBody(r, 1<<20) == nil },
	} {
		b.Run(name, func(b *testing.B) {
			src := bytes.NewReader([]byte(plainAnswer))
			r := bufio.NewReader(src)
			var resp fasthttp.Response
			b.ReportAllocs()
			for b.Loop() {
				src.Seek(0, 0)
				r.Reset(src)
				_, _ = r.Peek(1)
				resp.Reset()
				if !read(r, &resp) {
					b.Fatal("not read")
				}
			}
		})
	}
}
