package kafka_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/internal/kafkatest"
	"github.com/ebb-events/ebb/kafka"
)

// TestKafkaACLMatrix: with the rights of docs/operating.md, and no others, an
// event goes all the way round, and nobody may do what is another's (S37).
func TestKafkaACLMatrix(t *testing.T) {
	onBothGuarded(t, func(g *guarded) {
		g.grantRights()
		g.missingTopics()
		g.makeTopics()
		g.goRound()
		g.matrix()
	})
}

// grantRights does what the commands of docs/operating.md do.
func (g *guarded) grantRights() {
	g.Helper()
	acls, err := kafkatest.Rights("../docs/operating.md")
	g.must(err)
	for _, acl := range acls {
		results, err := kadm.NewClient(g.admin).CreateACLs(g.in(), acl)
		g.must(err)
		for _, r := range results {
			g.must(r.Err)
		}
	}
}

// missingTopics: who may not make topics says in one line what is missing.
func (g *guarded) missingTopics() {
	g.Helper()
	for role, purpose := range map[string]ebb.Purpose{"gateway": ebb.Commands, "edge": kafka.ChannelLog, "connector": ebb.Replies, "service": ebb.Events, "nobody": ebb.Commands} {
		err := g.openAs(role).Prepare(g.in(), purpose)
		want := "does not exist, and our user may not make it"
		if role == "nobody" {
			want = "our user may not see topic"
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			g.Errorf("%s: got %v, want %q", role, err, want)
		}
	}
	if err := g.openAs("service").PrepareDead(g.in(), ebb.Commands); err == nil || !strings.Contains(err.Error(), "board-task-command-dead does not exist") {
		g.Errorf("dead letters: got %v", err)
	}
}

// makeTopics makes what operators make before.
func (g *guarded) makeTopics() {
	g.Helper()
	admin := kadm.NewClient(g.admin)
	for topic, cfg := range map[string]map[string]*string{
		"board-task-command": nil, "board-task-event": nil, "board-task-reply": nil,
		"board-task-aggregate":    {"cleanup.policy": kadm.StringPtr("compact")},
		"board-task-command-dead": nil, "board-task-reply-dead": nil, "board-task-event-dead": nil, "board-note-command": nil,
		"ebb-channels": {"message.timestamp.type": kadm.StringPtr("LogAppendTime")},
		"ebb-sessions": {"message.timestamp.type": kadm.StringPtr("LogAppendTime")},
	} {
		partitions := int32(2)
		if topic == "ebb-sessions" {
			partitions = 1
		}
		if g.embedded && strings.HasSuffix(topic, "aggregate") {
			cfg = map[string]*string{"retention.ms": kadm.StringPtr("-1"), "retention.bytes": kadm.StringPtr("-1")}
		}
		r, err := admin.CreateTopic(g.in(), partitions, 1, cfg, topic)
		g.must(err)
		g.must(r.Err)
		for ctx := g.in(); ; { // until the broker knows what it has just made
			known, err := admin.ListTopics(ctx, topic)
			g.must(err)
			if known.Has(topic) {
				break
			}
		}
	}
}

// goRound is a command, its effect, and the event on the channel log, each by
// whose it is.
func (g *guarded) goRound() {
	g.Helper()
	gateway := g.openAs("gateway")
	g.must(gateway.Prepare(g.in(), ebb.Commands, ebb.Aggregates))
	g.must(gateway.Sender().Send(g.in(), typ, "a", []byte(`{"n":1}`)))

	client := g.openAs("service")
	g.must(client.Prepare(g.in(), ebb.Commands, ebb.Events, ebb.Aggregates, ebb.Replies))
	g.must(client.PrepareDead(g.in(), ebb.Commands))
	service := client.Commands(typ, typ)
	g.Cleanup(service.Close)
	got := g.pollUntil(service, func(sum ebb.Batch) bool { return len(sum.Records) == 1 })
	for _, p := range got.Assigned {
		if _, err := service.Restore(g.in(), p.Partition, func(ebb.Record) {}); err != nil {
			g.Fatal(err)
		}
	}
	service.Dead(got.Records[0], "for a try")
	g.must(service.Commit(g.in(), g.outputs(got.Records[0])))
	g.must(gateway.Sender().Send(g.in(), typ, "a", []byte(`{"n":2}`)))
	got = g.pollUntil(service, func(sum ebb.Batch) bool { return len(sum.Records) == 1 }) // with the other transactional id
	g.must(service.Commit(g.in(), g.outputs(got.Records[0])))

	states := g.follow(gateway)
	states.until(g, 2)
	g.listen(gateway)

	client = g.openAs("reactor")
	reactor := client.Events(typ, "notes")
	g.Cleanup(reactor.Close)
	got = g.pollUntil(reactor, func(sum ebb.Batch) bool { return len(sum.Records) == 2 })
	reactor.Dead(got.Records[0], "for a try")
	g.must(reactor.Commit(g.in(), []ebb.Record{{Topic: "board-note-command", Partition: -1, Key: []byte("n"), Value: []byte(`{"n":3}`)}}))

	client = g.openAs("connector")
	g.must(client.Prepare(g.in(), ebb.Replies, kafka.ChannelLog))
	g.must(client.PrepareDead(g.in(), ebb.Replies))
	replies := client.Replies("ebb-connector")
	got = g.pollUntil(replies, func(sum ebb.Batch) bool { return len(sum.Records) == 2 })
	g.must(client.Channels().Append(g.in(), []channel.Record{event("ann", "1")}))
	g.must(client.Channels().Dead(g.in(), got.Records[0], "for a try"))
	g.must(replies.Commit(g.in()))
	g.must(client.Channels().Append(g.in(), []channel.Record{event("ann", "2")}))
	replies.Close()
	finding := g.open(func(cfg *kafka.Config) { // given no types, it finds them
		*cfg = g.as("connector")
		cfg.Types = nil
	}).Replies("ebb-connector")
	g.Cleanup(finding.Close)
	g.pollUntil(finding, func(sum ebb.Batch) bool { return len(sum.Assigned) == 2 })

	for _, role := range []string{"edge", "publishing-edge"} {
		client := g.openAs(role)
		g.must(client.Prepare(g.in(), kafka.ChannelLog))
		log := client.Channels()
		batches, _, stop := g.tail(log)
		part := channel.Partition("ann", 2)
		batch := g.next(batches, func(b channel.Batch) bool { return b.Partition == part && b.High == 2 })
		if _, err := log.Bounds(g.in(), part, batch.Epoch); err != nil {
			g.Errorf("%s: %v", role, err)
		}
		n := 0
		g.must(log.Read(g.in(), part, 0, 2, time.Minute, func(channel.Entry) bool { n++; return true }))
		if n != 2 {
			g.Errorf("%s: read %d entries", role, n)
		}
		stop()
	}
	g.must(g.openAs("publishing-edge").Channels().Append(g.in(), []channel.Record{event("bob", "3")}))
}

// listen does what a gateway does for 202s with a cursor, and for who waits.
func (g *guarded) listen(gateway *kafka.Client) {
	g.Helper()
	if _, ok := gateway.Tail().Cursor(g.in(), "ann"); !ok {
		g.Error("the gateway does not know where the channel log ends")
	}
	ctx, begun := context.WithCancel(g.in())
	if err := gateway.Answers().Follow(ctx, begun, func([]ebb.Record) {}); err != nil || g.in().Err() != nil {
		g.Errorf("the gateway does not hear replies: %v", err)
	}
}

// until waits for so many states.
func (s *states) until(g *guarded, n int) {
	g.Helper()
	for {
		s.mu.Lock()
		have := len(s.records)
		s.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-s.changed:
		case <-g.in().Done():
			g.Fatalf("%d states, want %d", have, n)
		}
	}
}

// mayOf is all that each role may, of what matrix tries.
var mayOf = map[string][]string{
	"gateway":         {"write board-task-command", "read board-task-aggregate", "read board-task-reply", "read ebb-sessions", "write ebb-sessions"},
	"edge":            {"read ebb-channels", "read ebb-sessions"},
	"publishing-edge": {"read ebb-channels", "write ebb-channels", "read ebb-sessions"},
	"connector":       {"read board-task-reply", "write board-task-reply-dead", "write ebb-channels", "join ebb-connector"},
	"service": {
		"read board-task-command", "write board-task-command-dead", "write board-task-event", "write board-task-reply",
		"read board-task-aggregate", "write board-task-aggregate", "join board-task", "transact ebb-board-task-x",
	},
	"reactor": {"read board-task-event", "write board-task-event-dead", "write board-note-command", "join notes", "transact ebb-notes-x"},
	"nobody":  nil,
}

// matrix tries everything as everybody.
func (g *guarded) matrix() {
	g.Helper()
	topics := []string{"board-task-command", "board-task-command-dead", "board-task-event", "board-task-aggregate", "board-task-reply", "board-task-reply-dead", "board-task-event-dead", "board-note-command", "ebb-channels", "ebb-sessions"}
	groups, ids := []string{"ebb-connector", "board-task", "notes", "another"}, []string{"ebb-board-task-x", "ebb-notes-x", "ebb-shop-order-x", "another"}
	tried := 0
	for _, role := range roles {
		cl := g.adminOf(g, kgo.SeedBrokers(g.login), kgo.DialTLSConfig(g.trust(g)), kgo.DisableIdempotentWrite(),
			kgo.SASL(scram.Auth{User: role, Pass: passwordOf(role)}.AsSha512Mechanism()))
		check := func(what string, try func(ctx context.Context) error) {
			g.Helper()
			tried++
			err := try(g.in())
			denied := errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.GroupAuthorizationFailed) ||
				errors.Is(err, kerr.TransactionalIDAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed)
			may := slices.Contains(mayOf[role], what)
			switch {
			case may && err != nil:
				g.Errorf("%s: %s: %v", role, what, err)
			case !may && !denied:
				g.Errorf("%s may %s, got %v", role, what, err)
			}
		}
		for _, topic := range topics {
			check("write "+topic, func(ctx context.Context) error {
				return cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte("{}")}).FirstErr()
			})
			check("read "+topic, func(ctx context.Context) error { return g.fetch(ctx, cl, topic) })
			check("make "+topic, func(ctx context.Context) error { return makeTopic(ctx, cl, topic+"-more") })
			check("delete "+topic, func(ctx context.Context) error {
				r, err := kadm.NewClient(cl).DeleteTopic(ctx, topic)
				return errors.Join(err, r.Err)
			})
			check("change "+topic, func(ctx context.Context) error { return changeTopic(ctx, cl, topic) })
		}
		for _, group := range groups {
			check("join "+group, func(ctx context.Context) error { return beat(ctx, cl, group) })
		}
		for _, id := range ids {
			check("transact "+id, func(ctx context.Context) error { return transact(ctx, cl, id) })
		}
		check("grant", func(ctx context.Context) error {
			r, err := kadm.NewClient(cl).CreateACLs(ctx, kadm.NewACLs().Allow("User:"+role).AllowHosts().Topics("ebb-channels").Operations(kadm.OpAll).ResourcePatternType(kadm.ACLPatternLiteral))
			if err == nil && len(r) > 0 {
				err = r[0].Err
			}
			return err
		})
	}
	if want := len(roles) * (5*len(topics) + len(groups) + len(ids) + 1); tried != want {
		g.Errorf("tried %d things, want %d", tried, want)
	}
}

// fetch reads a topic's first partition, past what may be seen of it.
func (g *guarded) fetch(ctx context.Context, cl *kgo.Client, topic string) error {
	all, err := kadm.NewClient(g.admin).ListTopics(ctx, topic)
	g.must(err)
	part := kmsg.NewFetchRequestTopicPartition()
	part.PartitionMaxBytes = 1 << 20
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID, t.Partitions = topic, all[topic].ID, []kmsg.FetchRequestTopicPartition{part}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MaxBytes, req.Topics = 1, 1<<20, []kmsg.FetchRequestTopic{t}
	leader := all[topic].Partitions[0].Leader
	resp, err := cl.Broker(int(leader)).Request(ctx, req)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].ErrorCode)
}

func makeTopic(ctx context.Context, cl *kgo.Client, topic string) error {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, 1, 1
	req := kmsg.NewPtrCreateTopicsRequest()
	req.ValidateOnly, req.Topics = true, []kmsg.CreateTopicsRequestTopic{t}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}

func changeTopic(ctx context.Context, cl *kgo.Client, topic string) error {
	change := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	change.Name, change.Value = "retention.ms", kadm.StringPtr("1")
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.Configs = kmsg.ConfigResourceTypeTopic, topic, []kmsg.IncrementalAlterConfigsRequestResourceConfig{change}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.ValidateOnly, req.Resources = true, []kmsg.IncrementalAlterConfigsRequestResource{r}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.Resources[0].ErrorCode)
}

// beat is a heartbeat of a member that a group does not know, which it says
// only to who may join.
func beat(ctx context.Context, cl *kgo.Client, group string) error {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = group, "stranger", 1
	resp, err := req.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if errors.Is(err, kerr.UnknownMemberID) {
		return nil
	}
	return err
}

func transact(ctx context.Context, cl *kgo.Client, id string) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = &id, 10_000
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

// TestSettingsAreSeenOnlyWithTheRight: without it the line names the right.
func TestSettingsAreSeenOnlyWithTheRight(t *testing.T) {
	g := guardedFake(t)
	g.makeTopics()
	acl := kadm.NewACLs().Allow("User:edge").AllowHosts().Topics("ebb-channels").Operations(kadm.OpRead).ResourcePatternType(kadm.ACLPatternLiteral)
	if _, err := kadm.NewClient(g.admin).CreateACLs(g.in(), acl); err != nil {
		t.Fatal(err)
	}
	if err := g.openAs("edge").Prepare(g.in(), kafka.ChannelLog); err == nil || !strings.Contains(err.Error(), "give it DescribeConfigs") {
		t.Errorf("got %v", err)
	}
}
