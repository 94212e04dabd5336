package edge_test

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/sse"
)

// TestStreamsReachTheOriginAsOtherRequestsDo: their way is shorter, but what
// the origin gets is the same.
func TestStreamsReachTheOriginAsOtherRequestsDo(t *testing.T) {
	var got *http.Request
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.WriteHeader(http.StatusForbidden)
	}, func(c *edge.Config) {
		c.Origin = must(c.Origin.Parse("/base/"))
	}, func(s *site) {
		for name, headers := range map[string][]string{
			"bare": nil,
			"full": {
				"Cookie", "c=1", "Cookie", "d=2", "Authorization", "Bearer x", "Last-Event-ID", "1.AAAAAAAA.0.1.1..", "Origin", "null", "Referer", "http://page/",
				"X-Forwarded-For", "198.51.100.7", "X-Forwarded-For", "198.51.100.8", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "forged", "Forwarded", "for=forged",
				"X-Own", "mine", "Accept-Encoding", "br", "User-Agent", "Browser/1", "Accept-Language", "de",
				"Grip-Sig", "forged", "GRIP-Feature", "forged", "Grip_Sig", "forged", "Connection", "X-Hop, keep-alive", "X-Hop", "1", "Keep-Alive", "timeout=5",
				"Proxy-Authorization", "x", "Te", "gzip", "Trailer", "X-Later",
			},
			"odd protocol": {"X-Forwarded-Proto", "gopher"},
		} {
			const path = "GET /a%2Fb/c?u=t&x=1;2&bad=%zz"
			text(t, s.ask(path, append([]string{"Accept", "*/*"}, headers...)...))
			other := got
			text(t, s.ask(path, append([]string{"Accept", sse.ContentType}, headers...)...))
			if accept := got.Header.Get("Accept"); accept != sse.ContentType {
				t.Errorf("%s: Accept is %q", name, accept)
			}
			got.Header.Set("Accept", "*/*")
			if !reflect.DeepEqual(got.Header, other.Header) {
				t.Errorf("%s: got\n%v, others\n%v", name, got.Header, other.Header)
			}
			if got.Host != other.Host || got.RequestURI != other.RequestURI || got.RequestURI != "/base/a%2Fb/c?u=t&x=1;2&bad=%zz" {
				t.Errorf("%s: got %s %s, others %s %s", name, got.Host, got.RequestURI, other.Host, other.RequestURI)
			}
		}
	})
}

// TestAnswersToStreamsPassAsOthersDo, without what concerns one connection.
func TestAnswersToStreamsPassAsOthersDo(t *testing.T) {
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Connection", "X-Hop")
		h.Set("X-Hop", "1")
		h.Set("Keep-Alive", "timeout=5")
		h.Set("X-Own", "mine")
		h.Set("Trailer", "X-Later, Grip-Later")
		h.Set("Content-Type", sse.ContentType)
		w.WriteHeader(http.StatusOK)
		w.Write([]byte("data: the origin's own\n\n"))
		h.Set("X-Later", "kept")
		h.Set("Grip-Later", "secret")
	}, nil, func(s *site) {
		var before *http.Response
		for _, accept := range []string{"*/*", sse.ContentType} {
			resp := s.ask("GET /", "Accept", accept)
			if body := text(t, resp); body != "data: the origin's own\n\n" {
				t.Errorf("%s got %q", accept, body)
			}
			if before != nil && (!reflect.DeepEqual(before.Header, resp.Header) || !reflect.DeepEqual(before.Trailer, resp.Trailer)) {
				t.Errorf("got %v %v, others %v %v", resp.Header, resp.Trailer, before.Header, before.Trailer)
			}
			if resp.Header.Get("X-Hop") != "" || resp.Trailer.Get("X-Later") != "kept" || resp.Trailer.Get("Grip-Later") != "" {
				t.Errorf("%s got %v %v", accept, resp.Header, resp.Trailer)
			}
			before = resp
		}
	})
}
