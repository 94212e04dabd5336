package edge

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/ebb-events/ebb/internal/hold"
)

type connKey struct{}

// ConnContext is for [http.Server.ConnContext]. With it, an edge takes the
// connection of an HTTP/1 stream over from the server and holds it without a
// goroutine, at a fraction of the memory. For TLS, it needs [Listen] too.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// Listen returns ln with connections that can be taken over when TLS is spoken
// on them.
func Listen(ln net.Listener) net.Listener { return hold.Listen(ln) }

// socket returns the socket of a request, if the loop can hold it.
func (e *Edge) socket(r *http.Request) (socket hold.Socket, ok bool) {
	conn, ok := r.Context().Value(connKey{}).(net.Conn)
	if !ok || r.ProtoMajor != 1 {
		return hold.Socket{}, false
	}
	socket, err := e.loop.Open(conn)
	return socket, err == nil // without a descriptor to spare, too, it stays where it is
}

// takeOver gives a stream to the loop and returns at once.
func (e *Edge) takeOver(w http.ResponseWriter, r *http.Request, h *held, s *stream, socket hold.Socket) {
	_, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		socket.Close()
		s.End(err)
		return
	}
	chunked := r.ProtoAtLeast(1, 1)
	e.loop.Hold(&s.conn, socket, h.head(w.Header(), chunked), chunked, s)
}

// head writes the header of a response that only the end of the connection ends.
// What the server has to say stays where the origin says nothing.
func (h *held) head(own http.Header, chunked bool) []byte {
	header := h.answer()
	const hsts = "Strict-Transport-Security"
	if v := own[hsts]; v != nil && header[hsts] == nil {
		header[hsts] = v
	}
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	header.Set("Connection", "close")
	version := "1.0"
	if chunked {
		version = "1.1"
		header.Set("Transfer-Encoding", "chunked")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/%s %d %s\r\n", version, h.status, http.StatusText(h.status))
	_ = header.Write(&b) // to memory: cannot fail
	b.WriteString("\r\n")
	return b.Bytes()
}
