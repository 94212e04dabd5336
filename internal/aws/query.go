package aws

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// limits of a message and of a batch, in bytes and entries.
const (
	maxMessage = 256 << 10
	maxBatch   = 10
)

// ServeHTTP speaks as much of SNS's query protocol as publishers need: Publish
// and PublishBatch. POST /redeliver?last=N delivers the last N messages again,
// those of a topic with &topic=<ARN>.
func (s *SNS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && r.URL.Path == "/redeliver" {
		n, err := strconv.Atoi(r.URL.Query().Get("last"))
		if err != nil || n < 1 {
			http.Error(w, "POST /redeliver?last=N, and maybe &topic=ARN", http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%d delivered again\n", s.Redeliver(n, r.URL.Query().Get("topic")))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4*maxMessage)
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		fault(w, Fault{Status: http.StatusBadRequest, Code: "InvalidAction"}, "POST a form")
		return
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=") {
		fault(w, Fault{Status: http.StatusForbidden, Code: "MissingAuthenticationToken"}, "Request is missing Authentication Token")
		return
	}
	action := r.PostForm.Get("Action")
	var planned *Fault
	if s.Fault != nil {
		planned = s.Fault(action)
	}
	if planned != nil && !planned.After {
		fault(w, *planned, "on demand")
		return
	}
	var result any
	var failed *Fault
	switch action {
	case "Publish":
		result, failed = s.publish(form{r.PostForm, ""})
	case "PublishBatch":
		result, failed = s.publishBatch(r.PostForm)
	default:
		failed = &Fault{Status: http.StatusBadRequest, Code: "InvalidAction"}
	}
	if failed == nil {
		failed = planned // of the answer alone
	}
	if failed != nil {
		fault(w, *failed, failed.Code+" of "+action)
		return
	}
	answer(w, result)
}

type metadata struct {
	RequestID string `xml:"RequestId"`
}

type published struct {
	XMLName xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ PublishResponse"`
	Result  struct {
		MessageID      string `xml:"MessageId"`
		SequenceNumber string `xml:",omitempty"`
	} `xml:"PublishResult"`
	Metadata metadata `xml:"ResponseMetadata"`
}

type publishedBatch struct {
	XMLName xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ PublishBatchResponse"`
	Result  struct {
		Successful struct{ Members []entryDone } `xml:"Successful"`
		Failed     struct{ Members []entryFailed }
	} `xml:"PublishBatchResult"`
	Metadata metadata `xml:"ResponseMetadata"`
}

type entryDone struct {
	XMLName   xml.Name `xml:"member"`
	ID        string   `xml:"Id"`
	MessageID string   `xml:"MessageId"`
}

type entryFailed struct {
	XMLName     xml.Name `xml:"member"`
	ID          string   `xml:"Id"`
	Code        string
	SenderFault bool
}

// form is the fields of one message: all, or those with a prefix.
type form struct {
	url.Values
	prefix string
}

func (f form) get(name string) string { return f.Get(f.prefix + name) }

// publish takes one message.
func (s *SNS) publish(f form) (any, *Fault) {
	m, failed := s.message(f, f.Get("TopicArn"))
	if failed != nil {
		return nil, failed
	}
	var out published
	out.Result.MessageID, out.Metadata.RequestID = s.Publish(m), newID()
	return out, nil
}

// message reads one.
func (s *SNS) message(f form, topic string) (Message, *Fault) {
	m := Message{
		TopicARN: topic, Subject: f.get("Subject"), Text: f.get("Message"), Attributes: map[string]Attribute{},
		Group: f.get("MessageGroupId"), Repeat: f.get("MessageDeduplicationId"),
	}
	size := len(m.Text)
	for i := 1; ; i++ {
		at := fmt.Sprintf("MessageAttributes.entry.%d.", i)
		name := f.get(at + "Name")
		if name == "" {
			break
		}
		a := Attribute{f.get(at + "Value.DataType"), f.get(at + "Value.StringValue")}
		if binary := f.get(at + "Value.BinaryValue"); binary != "" {
			if _, err := base64.StdEncoding.DecodeString(binary); err != nil {
				return m, &Fault{Status: http.StatusBadRequest, Code: "InvalidParameterValue"}
			}
			a.Value = binary
		}
		if a.Type == "" || a.Value == "" {
			return m, &Fault{Status: http.StatusBadRequest, Code: "InvalidParameterValue"}
		}
		m.Attributes[name] = a
		size += len(name) + len(a.Type) + len(a.Value)
	}
	switch {
	case !strings.HasPrefix(topic, "arn:aws:sns:"):
		return m, &Fault{Status: http.StatusNotFound, Code: "NotFound"}
	case m.Text == "" || size > maxMessage, isFIFO(topic) != (m.Group != ""), m.Repeat != "" && !isFIFO(topic), len(m.Group) > 128:
		return m, &Fault{Status: http.StatusBadRequest, Code: "InvalidParameter"}
	}
	return m, nil
}

// publishBatch takes up to ten messages, each for itself.
func (s *SNS) publishBatch(fields url.Values) (any, *Fault) {
	var out publishedBatch
	out.Metadata.RequestID = newID()
	entries, failed := entries(fields)
	if failed != nil {
		return nil, failed
	}
	for _, f := range entries {
		id := f.get("Id")
		m, failed := s.message(f, fields.Get("TopicArn"))
		if failed != nil {
			out.Result.Failed.Members = append(out.Result.Failed.Members, entryFailed{ID: id, Code: failed.Code, SenderFault: true})
			continue
		}
		out.Result.Successful.Members = append(out.Result.Successful.Members, entryDone{ID: id, MessageID: s.Publish(m)})
	}
	return out, nil
}

// entries are the messages of a batch, which are too many or the like together.
func entries(fields url.Values) (list []form, failed *Fault) {
	wrong := func(code string) ([]form, *Fault) { return nil, &Fault{Status: http.StatusBadRequest, Code: code} }
	seen := map[string]bool{}
	for {
		f := form{fields, fmt.Sprintf("PublishBatchRequestEntries.member.%d.", len(list)+1)}
		id := f.get("Id")
		switch {
		case id == "" && len(list) == 0:
			return wrong("EmptyBatchRequest")
		case id == "":
			return list, nil
		case len(list) == maxBatch:
			return wrong("TooManyEntriesInBatchRequest")
		case seen[id]:
			return wrong("BatchEntryIdsNotDistinct")
		}
		seen[id] = true
		list = append(list, f)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "text/xml")
	_ = xml.NewEncoder(w).Encode(v)
}

func fault(w http.ResponseWriter, f Fault, message string) {
	type detail struct {
		Type, Code, Message string
	}
	who := "Sender"
	if f.Status >= 500 {
		who = "Receiver"
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(f.Status)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName   xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ ErrorResponse"`
		Error     detail
		RequestID string `xml:"RequestId"`
	}{Error: detail{who, f.Code, message}, RequestID: newID()})
}
