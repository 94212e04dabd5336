package lambda_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/aws"
)

// report tells the median and the 99th percentile.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
	b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkColdStart is the time from exec to the first next.
func BenchmarkColdStart(b *testing.B) {
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			if _, err := programs(); err != nil { // which takes longer
				b.Fatal(err)
			}
			var took []time.Duration
			for b.Loop() {
				f, _ := function(b, name, "EBB_PUBLISH_URL=http://127.0.0.1:1", "EBB_PUBLISH_KEY=base64:Rm91cnRoIGtleSBvZiB0aGVzZSB0ZXN0cywgdG8gcHVibGlzaCAxMA==")
				f.Cold = func(d time.Duration) { took = append(took, d) }
				_, _ = f.Invoke(b.Context(), []byte(`{}`)) // which it refuses
				f.Close()
			}
			report(b, took)
		})
	}
}

// warm measures requests of a function that runs.
func warm(b *testing.B, f http.Handler, want int, method, target string, header ...string) {
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		got := ask(f, method, target, "", header...)
		took = append(took, time.Since(begun))
		if got.Code != want {
			b.Fatalf("got %d %s", got.Code, got.Body)
		}
	}
	report(b, took)
}

// BenchmarkRedirect is a request to connect, through the harness.
func BenchmarkRedirect(b *testing.B) {
	connect, _ := function(b, "connect")
	warm(b, &aws.Front{Invoke: connect.Invoke}, 307, "GET", "/api/sse", "Authorization", "Bearer "+token("ann"))
}

// BenchmarkSetUp is a set-up call, through the harness.
func BenchmarkSetUp(b *testing.B) {
	query := ticketOf(b)
	setup, _ := function(b, "setup")
	warm(b, &aws.Front{Invoke: setup.Invoke}, 200, "GET", "/api/sse-setup?"+query, "Grip-Sig", gripSig(gripKey, "ebb"))
}
