package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// TestLinesOfFunctionsAreOurs: a function's log is read as one.
func TestLinesOfFunctionsAreOurs(t *testing.T) {
	var b bytes.Buffer
	l := functionLog{slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))}
	for line, want := range map[string]string{
		`setup: {"time":"x","level":"WARN","msg":"audit","status":403,"action":"sse-setup"}` + "\n": `{"level":"WARN","msg":"audit","part":"lambda","function":"setup","action":"sse-setup","status":403}`,
		"notify: panic: oh\n":       `{"level":"INFO","msg":"panic: oh","part":"lambda","function":"notify"}`,
		"notify: {\"error\":\"x\"}": `{"level":"INFO","msg":"{\"error\":\"x\"}","part":"lambda","function":"notify"}`,
	} {
		b.Reset()
		if _, err := l.Write([]byte(line)); err != nil || strings.TrimSpace(b.String()) != want {
			t.Errorf("%q became %s, want %s", line, &b, want)
		}
	}
}

// TestLambda runs the functions by `ebb lambda`, as their own environment has
// it, and has SNS deliver a reply to them by the real SDK.
func TestLambda(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"connect", "setup", "notify", "command"} {
		build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", filepath.Join(dir, name, "bootstrap"), "../../lambda/"+name)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	published := make(chan string, 10)
	edge := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		published <- string(b)
	}))
	defer edge.Close()
	p, err := startEbb(dir, append(clean(),
		"EBB_EDGE_URL=https://edge.test",
		"EBB_TICKET_KEY=ticket-9Kq2vX7mB4tZ8wLc6yRd1sHj5pNa0eF", "EBB_GRIP_KEY=grip-9Kq2vX7mB4tZ8wLc6yRd1sHj5pNa0eF", "EBB_JWT_KEY=token-9Kq2vX7mB4tZ8wLc6yRd1sHj5pNa0eF",
		"EBB_PUBLISH_URL="+edge.URL,
	), "lambda", "--functions", dir, "--addr", "127.0.0.1:0", "--sns-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--retry", "1ms")
	if err != nil {
		t.Fatal(err)
	}
	defer p.kill()

	for path, want := range map[string]int{"/api/sse": 401, "/api/sse-setup": 403, "/api/board/task/0d9c1c5a-7d5a-4f6e-9a57-0123456789ab": 405, "/elsewhere": 404} {
		resp, err := http.Get(p.base() + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}

	service := "http://" + p.addr["sns"]
	client := sns.New(sns.Options{Region: "eu-central-1", BaseEndpoint: &service, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})})
	publish := func(reply string) string {
		out, err := client.Publish(t.Context(), &sns.PublishInput{TopicArn: &replyTopic, Message: &reply})
		if err != nil {
			t.Fatal(err)
		}
		return *out.MessageId
	}
	id := publish(`{"_id":"7","_jwt":{"sub":"ann"}}`)
	first := <-published
	if !strings.Contains(first, `"channel":"ann","id":"`+id+`"`) || strings.Contains(first, "_jwt") {
		t.Errorf("published %s", first)
	}
	resp, err := http.Post(service+"/redeliver?last=1", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if again := <-published; again != first {
		t.Errorf("delivered again: %s", again)
	}

	// What cannot be published is told, and kept.
	bad := publish(`{"_id":"7"}`)
	if err := p.await(func() bool { return strings.Contains(strings.Join(p.stderr, "\n"), "went to the failure destination") }); err != nil {
		t.Fatal(err)
	}
	if resp, err = http.Get(service + "/failures"); err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var failures []struct {
		ResponsePayload struct{ ErrorMessage string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&failures); err != nil || len(failures) != 1 || failures[0].ResponsePayload.ErrorMessage != "notify: 1 of 1 records not published: "+bad+": no-recipient" {
		t.Errorf("failures: %+v, %v", failures, err)
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ended with %d", code)
	}
}
