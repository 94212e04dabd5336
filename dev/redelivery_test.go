package dev_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/aws"
)

// faulty is a way to the edge that goes wrong one time in three: before the edge
// has heard, after it has, and with an answer that is none of its.
func faulty(t *testing.T, random *rand.Rand, edge string) (string, *int) {
	t.Helper()
	to, err := url.Parse(edge)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	var mu sync.Mutex
	faults := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n := random.IntN(9)
		if n < 3 {
			faults++
		}
		mu.Unlock()
		switch n {
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case 2:
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusBadGateway)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, &faults
}

// TestRedeliveryIsHeardOnce: SNS delivers each message one to five times, in
// random order, alone and in batches, with a bad record among them, and the way
// to the edge has faults. The stream has each exactly once.
func TestRedeliveryIsHeardOnce(t *testing.T) {
	dir, err := lambdas()
	if err != nil {
		t.Fatal("building the functions: ", err)
	}
	const messages = 150
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))

	data := t.TempDir()
	s := start(t, data)
	ann, bob := s.login("ann"), s.login("bob")
	anns, bobs := ann.open(""), bob.open("")
	anns.own("ebb.hello")
	bobs.own("ebb.hello")

	way, faults := faulty(t, rand.New(rand.NewPCG(uint64(seed), 1)), "http://"+s.addrOf("control"))
	notify := &aws.Function{
		Name: "notify", Path: filepath.Join(dir, "notify", "bootstrap"), Most: 4,
		Env: []string{"EBB_PUBLISH_URL=" + way, "EBB_PUBLISH_KEY=file:" + filepath.Join(data, "keys", "publish")},
	}
	defer notify.Close()
	var failed aws.Failures
	async := &aws.Async{Invoke: notify.Invoke, Name: "notify", Pause: func(int) time.Duration { return 0 }, Failed: failed.Add}
	defer async.Close()

	// What SNS delivers is kept, to be handed over in another order and in
	// batches.
	var mu sync.Mutex
	var due []aws.Message
	topic := aws.ARN("sns", "replies")
	service := &aws.SNS{Copies: func(aws.Message) int {
		mu.Lock()
		defer mu.Unlock()
		return 1 + random.IntN(5)
	}}
	service.Subscribe(topic, func(m aws.Message) {
		mu.Lock()
		defer mu.Unlock()
		due = append(due, m)
	})
	for n := range messages {
		service.Publish(aws.Message{TopicARN: topic, Text: fmt.Sprintf(`{"n":%d,"_corr":"c%[1]d","_outcome":"applied","_subscriptions":["bob"],"_jwt":{"sub":"ann"}}`, n)})
	}
	bad := service.Publish(aws.Message{TopicARN: topic, Text: `{"n":-1}`})
	service.Wait()
	random.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
	delivered := len(due)
	for len(due) > 0 {
		n := min(len(due), 1+random.IntN(4))
		async.Go(aws.SNSEvent(due[:n]...))
		due = due[n:]
	}

	for name, stream := range map[string]*stream{"ann": anns, "bob": bobs} {
		seen := map[int]bool{}
		for range messages {
			var m struct {
				N   int             `json:"n"`
				JWT json.RawMessage `json:"_jwt"`
			}
			e := stream.next()
			if err := json.Unmarshal(e.Data, &m); err != nil || m.JWT != nil || m.N < 0 || seen[m.N] {
				t.Fatalf("%s got %q %s, after %d others", name, e.Name, e.Data, len(seen))
			}
			seen[m.N] = true
		}
	}
	async.Wait()
	// Nothing comes behind what was published last.
	last := &aws.Function{Name: "notify", Path: notify.Path, Env: []string{"EBB_PUBLISH_URL=http://" + s.addrOf("control"), notify.Env[1]}}
	defer last.Close()
	end := aws.Message{ID: "end", TopicARN: topic, Text: `{"_corr":"end","_subscriptions":["bob"],"_jwt":{"sub":"ann"}}`}
	if _, err := last.Invoke(t.Context(), aws.SNSEvent(end)); err != nil {
		t.Fatal(err)
	}
	anns.reply("end")
	bobs.reply("end")
	if *faults == 0 || delivered < 2*messages {
		t.Errorf("%d deliveries with %d faults are no test", delivered, *faults)
	}
	reported := 0
	for _, record := range failed.List() {
		var r struct{ ResponsePayload aws.FunctionError }
		if err := json.Unmarshal(record, &r); err != nil || !strings.Contains(r.ResponsePayload.Message, bad+": no-recipient") {
			t.Errorf("the failure destination got %s", record)
		}
		reported++
	}
	if reported == 0 {
		t.Error("the bad record was not reported")
	}
	t.Logf("%d messages, %d deliveries, %d faults on the way, %d reports of the bad one", messages, delivered, *faults, reported)
}
