package main

import (
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var wholeScan = flag.Bool("scan", false, "have TestTLSScan try all that testssl.sh knows, on a gateway too; takes minutes")

// fronts are what browsers speak TLS with: an edge, and a gateway.
func fronts(t *testing.T) map[string]string {
	dir := t.TempDir()
	writeTestCert(t, dir)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Content-Type-Options", "nosniff") // what concerns the page is the origin's
		_, _ = io.WriteString(w, "an answer as others")
	}))
	t.Cleanup(origin.Close)
	e := runEdge(t, dir, "--origin", origin.URL, "--tls-cert", "cert.pem", "--tls-key", "key.pem")
	g := runGateway(t, t.TempDir())
	return map[string]string{"edge": e.addr["edge"], "gateway": g.addr["gateway"]}
}

// TestTLSScan: testssl.sh finds nothing above INFO that we can choose (S55).
func TestTLSScan(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("testssl")
	if err != nil {
		if program, err = exec.LookPath("testssl.sh"); err != nil {
			t.Fatal("no testssl.sh: run `make deps`")
		}
	}
	checks := []string{"--protocols", "--fs", "--headers"}
	if *wholeScan {
		checks = nil
	}
	for name, addr := range fronts(t) {
		if name == "gateway" && !*wholeScan { // the same code
			continue
		}
		report := filepath.Join(t.TempDir(), "report.json")
		args := append([]string{"--quiet", "--color", "0", "--warnings", "off", "--jsonfile", report}, checks...)
		out, err := exec.Command(program, append(args, addr)...).CombinedOutput()
		text, readErr := os.ReadFile(report)
		if readErr != nil {
			t.Fatalf("%s: no report: %v, %s", name, err, out)
		}
		var findings []struct{ ID, Severity, Finding string }
		if err := json.Unmarshal(text, &findings); err != nil {
			t.Fatal(err)
		}
		if len(findings) < 10 {
			t.Fatalf("%s: %d findings alone: %s", name, len(findings), out)
		}
		for _, f := range findings {
			switch f.Severity {
			case "OK", "INFO", "DEBUG":
			default:
				if why := given[f.ID]; why == "" {
					t.Errorf("%s: %s: %s: %s", name, f.Severity, f.ID, f.Finding)
				} else {
					t.Logf("%s: %s: %s: %s (%s)", name, f.Severity, f.ID, f.Finding, why)
				}
			}
		}
	}
}

// given are findings that are no choice of ours, and why.
var given = map[string]string{
	"engine_problem":        "of the openssl that scans",
	"cert_chain_of_trust":   "of the test's certificate",
	"cert_trust":            "of the test's certificate",
	"cert_expirationStatus": "of the test's certificate",
	"cert_notAfter":         "of the test's certificate",
	"cert_revocation":       "of the test's certificate",
	"cert_commonName":       "of the test's certificate",
	"cert_serialNumberLen":  "of the test's certificate",
	"DNS_CAArecord":         "of this machine's name",
	"HTTP_status_code":      "there is no page at /",
	"TLS_session_ticket":    "crypto/tls says a week and lets nobody choose; it changes the keys every day",
}

// TestH2Spec: h2spec finds no more than it does in net/http, each explained.
func TestH2Spec(t *testing.T) {
	t.Parallel()
	program, err := filepath.Abs("../../.cache/h2spec")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("no h2spec: run `make deps`")
	}
	for name, addr := range fronts(t) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		report := filepath.Join(t.TempDir(), "report.xml")
		out, _ := exec.Command(program, "-h", host, "-p", port, "-t", "-k", "--timeout", "2", "-j", report).CombinedOutput() // it fails where one test does
		text, err := os.ReadFile(report)
		if err != nil {
			t.Fatalf("%s: no report: %v, %s", name, err, out)
		}
		var suites struct {
			Suites []struct {
				Package string `xml:"package,attr"`
				Cases   []struct {
					Name    string `xml:"classname,attr"`
					Failure *struct {
						Text string `xml:",innerxml"`
					} `xml:"failure"`
					Error *struct {
						Text string `xml:",innerxml"`
					} `xml:"error"`
				} `xml:"testcase"`
			} `xml:"testsuite"`
		}
		if err := xml.Unmarshal(text, &suites); err != nil {
			t.Fatal(err)
		}
		all, failed := 0, 0
		for _, s := range suites.Suites {
			for _, c := range s.Cases {
				all++
				if c.Failure == nil && c.Error == nil {
					continue
				}
				failed++
				if explained[strings.TrimSpace(c.Name)] == "" {
					t.Errorf("%s: %s: %s", name, s.Package, c.Name)
				}
			}
		}
		if all < 145 || failed > 6 { // as many as in net/http by itself
			t.Errorf("%s: %d tests, %d failed: %s", name, all, failed, out)
		}
	}
}

// explained are what h2spec fails, and why that is right.
var explained = map[string]string{
	"Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE":                                          "net/http takes settings that occur twice in a frame for an attack, and hangs up",
	"Sends a HEADERS frame that contains the connection-specific header field":                       "net/http answers 400 on the stream, and does not reset it",
	"Sends a HEADERS frame that contains the TE header field with any value other than \"trailers\"": "likewise",
	// A gateway refuses before it reads a body, and so does not see what is wrong with that.
	"Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream":                                     "the stream was over: it had its answer",
	"Sends a HEADERS frame with the \"content-length\" header field which does not equal the sum of the multiple DATA frames payload length": "likewise",
	"Sends a HEADERS frame with the \"content-length\" header field which does not equal the DATA frame payload length":                      "likewise",
}
