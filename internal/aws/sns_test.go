package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

const replies = "arn:aws:sns:eu-central-1:000000000000:replies"

// heard is what a subscriber gets.
type heard struct {
	mu  sync.Mutex
	all []Message
}

func (h *heard) hear(m Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, m)
}

// after returns what was heard once all is delivered, and forgets it.
func (h *heard) after(s *SNS) []Message {
	s.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.all
	h.all = nil
	return all
}

// client is the real SDK, speaking to s.
func client(t *testing.T, s *SNS) *sns.Client {
	t.Helper()
	service := httptest.NewServer(s)
	t.Cleanup(service.Close)
	return sns.New(sns.Options{
		Region: region, BaseEndpoint: &service.URL,
		Credentials: sdk.CredentialsProviderFunc(func(context.Context) (sdk.Credentials, error) {
			return sdk.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
}

func TestPublish(t *testing.T) {
	s, h := &SNS{}, &heard{}
	s.Subscribe(replies, h.hear)
	c := client(t, s)
	out, err := c.Publish(t.Context(), &sns.PublishInput{
		TopicArn: sdk.String(replies), Subject: sdk.String("s"), Message: sdk.String("é & <\n\x01>"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"a": {DataType: sdk.String("String"), StringValue: sdk.String("x")},
			"b": {DataType: sdk.String("Binary"), BinaryValue: []byte{0xff}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	all := h.after(s)
	if len(all) != 1 || all[0].ID != *out.MessageId || all[0].Text != "é & <\n\x01>" || all[0].Subject != "s" ||
		all[0].Attributes["a"] != (Attribute{"String", "x"}) || all[0].Attributes["b"] != (Attribute{"Binary", "/w=="}) {
		t.Errorf("got %+v", all)
	}
	if n := s.Redeliver(5, ""); n != 1 || len(h.after(s)) != 1 {
		t.Errorf("delivered %d again", n)
	}
	if n := s.Redeliver(5, replies+"2"); n != 0 || len(h.after(s)) != 0 {
		t.Errorf("delivered %d again, of a topic without messages", n)
	}
}

func TestErrorsOfPublish(t *testing.T) {
	s := &SNS{}
	c := client(t, s)
	for name, in := range map[string]*sns.PublishInput{
		"InvalidParameter":      {TopicArn: sdk.String(replies), Message: sdk.String(strings.Repeat("x", maxMessage+1))},
		"NotFound":              {TopicArn: sdk.String("replies"), Message: sdk.String("x")},
		"InvalidParameterValue": {TopicArn: sdk.String(replies), Message: sdk.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{"a": {DataType: sdk.String("String"), StringValue: sdk.String("")}}},
	} {
		_, err := c.Publish(t.Context(), in)
		var coded interface{ ErrorCode() string }
		if !errors.As(err, &coded) || coded.ErrorCode() != name {
			t.Errorf("got %v, want %s", err, name)
		}
	}
	if _, err := c.Publish(t.Context(), &sns.PublishInput{TopicArn: sdk.String(replies + ".fifo"), Message: sdk.String("x")}); err == nil {
		t.Error("a FIFO topic takes what has no group")
	}
	if got := httptest.NewRecorder(); true {
		s.ServeHTTP(got, httptest.NewRequest("POST", "/?", strings.NewReader("Action=Publish")))
		if got.Code != 403 {
			t.Errorf("without a signature: %d", got.Code)
		}
	}
}

// TestPublishBatch: each message is for itself, but ten are the most.
func TestPublishBatch(t *testing.T) {
	s, h := &SNS{}, &heard{}
	s.Subscribe(replies, h.hear)
	c := client(t, s)
	entries := func(n int) (list []types.PublishBatchRequestEntry) {
		for i := range n {
			list = append(list, types.PublishBatchRequestEntry{Id: sdk.String(fmt.Sprint("e", i)), Message: sdk.String(fmt.Sprint("m", i))})
		}
		return list
	}
	batch := entries(10)
	batch[3].Message = sdk.String(strings.Repeat("x", maxMessage+1))
	out, err := c.PublishBatch(t.Context(), &sns.PublishBatchInput{TopicArn: sdk.String(replies), PublishBatchRequestEntries: batch})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Successful) != 9 || len(out.Failed) != 1 || *out.Failed[0].Id != "e3" || !out.Failed[0].SenderFault || len(h.after(s)) != 9 {
		t.Errorf("got %d and %d", len(out.Successful), len(out.Failed))
	}
	twice := entries(2)
	twice[1].Id = twice[0].Id
	for name, list := range map[string][]types.PublishBatchRequestEntry{"TooManyEntriesInBatchRequest": entries(11), "BatchEntryIdsNotDistinct": twice} {
		_, err := c.PublishBatch(t.Context(), &sns.PublishBatchInput{TopicArn: sdk.String(replies), PublishBatchRequestEntries: list})
		if err == nil || !strings.Contains(err.Error(), name) || len(h.after(s)) != 0 {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

// TestTheSDKTriesAgain, and what was published before its answer was lost is
// there twice.
func TestTheSDKTriesAgain(t *testing.T) {
	plan := []*Fault{{Status: 500, Code: "InternalError"}, {Status: 500, Code: "InternalError", After: true}}
	s, h := &SNS{}, &heard{}
	s.Fault = func(action string) (f *Fault) {
		if action != "Publish" {
			t.Errorf("action %s", action)
		}
		if len(plan) > 0 {
			f, plan = plan[0], plan[1:]
		}
		return f
	}
	s.Subscribe(replies, h.hear)
	if _, err := client(t, s).Publish(t.Context(), &sns.PublishInput{TopicArn: sdk.String(replies), Message: sdk.String("x")}); err != nil {
		t.Fatal(err)
	}
	if all := h.after(s); len(all) != 2 || all[0].ID == all[1].ID {
		t.Errorf("got %+v", all)
	}
}

func TestFIFOTopic(t *testing.T) {
	const fifo = replies + ".fifo"
	s, h := &SNS{Copies: func(Message) int { return 2 }}, &heard{}
	s.Subscribe(fifo, h.hear)
	c := client(t, s)
	publish := func(text, group, repeat string) string {
		out, err := c.Publish(t.Context(), &sns.PublishInput{
			TopicArn: sdk.String(fifo), Message: sdk.String(text), MessageGroupId: &group, MessageDeduplicationId: &repeat,
		})
		if err != nil {
			t.Fatal(err)
		}
		return *out.MessageId
	}
	for i := range 50 {
		publish(fmt.Sprintf("%02d", i), "a", fmt.Sprint(i))
	}
	if publish("again", "a", "7") == publish("new", "a", "new") {
		t.Error("two messages have an id")
	}
	var texts []string
	for _, m := range h.after(s) {
		texts = append(texts, m.Text)
	}
	if len(texts) != 102 || !slices.IsSorted(texts) || slices.Contains(texts, "again") {
		t.Errorf("got %v", texts)
	}
}
