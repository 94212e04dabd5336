package kafka_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/kafka"
)

// A member that is late with a rejoin is taken for gone, and others work in its
// place. Then it is let in under a new name, whose commits Kafka accepts: it
// must not go on where it was.

// TestReplacedMemberBeginsAnew is one that waits for records meanwhile.
func TestReplacedMemberBeginsAnew(t *testing.T) {
	onBoth(t, func(b *bench) {
		cmds := b.replaceable()
		polled := b.polling(cmds, func(s ebb.Batch) bool { return len(s.Records) > 0 })
		b.remove(group(b))
		cmds.JoinAgain()
		b.stable(group(b))
		b.put(b.topic(ebb.Commands), 4, 2, 3)
		b.begunAnew(<-polled)
	})
}

// TestReplacedMemberCannotCommit is one that has records in hand.
func TestReplacedMemberCannotCommit(t *testing.T) {
	b, cluster := onKfake(t, kfake.SleepOutOfOrder())
	cmds := b.replaceable()
	asked, answer := make(chan struct{}), make(chan struct{})
	cluster.ControlKey(kmsg.JoinGroup.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(asked)
		cluster.DropControl()
		cluster.SleepControl(func() { <-answer })
		return nil, nil, false
	})
	polled := b.polling(cmds, func(s ebb.Batch) bool { return len(s.Records) > 0 })
	b.remove(group(b))
	cmds.JoinAgain()
	<-asked
	b.put(b.topic(ebb.Commands), 4, 2, 3)
	got := <-polled
	close(answer)
	b.stable(group(b))
	if err := cmds.Commit(b.in(), b.outputs(got.Records[0])); err == nil {
		b.Error("it could commit")
	}
	b.begunAnew(b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Assigned) == 12 && len(s.Records) > 0 }))
}

func group(b *bench) string { return "s" + b.env }

// replaceable is a member of a group that has done two commands. To the group it
// was one, so that it shows who begins anew.
func (b *bench) replaceable() *kafka.Stage {
	b.Helper()
	c := b.open()
	cmds := c.Commands(typ, group(b))
	b.Cleanup(cmds.Close)
	b.must(c.Prepare(b.in(), ebb.Commands))
	b.put(b.topic(ebb.Commands), 4, 0, 2)
	got := b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Records) == 2 })
	b.must(cmds.Commit(b.in(), b.outputs(got.Records[0])))
	b.must(cmds.Confirm(b.in(), b.topic(ebb.Commands), 4, 1))
	return cmds
}

// remove takes the only member out of a group, which it does not notice.
func (b *bench) remove(group string) {
	b.Helper()
	g, err := kadm.NewClient(b.admin).DescribeGroups(b.in(), group)
	b.must(err)
	leave := kmsg.NewPtrLeaveGroupRequest()
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID = g[group].Members[0].MemberID
	leave.Group, leave.MemberID, leave.Members = group, m.MemberID, append(leave.Members, m)
	_, err = leave.RequestWith(b.in(), b.admin)
	b.must(err)
}

// stable waits until a group has a member, and knows what it works on.
func (b *bench) stable(group string) {
	b.Helper()
	for ctx := b.in(); ; {
		g, err := kadm.NewClient(b.admin).DescribeGroups(ctx, group)
		b.must(err)
		if g[group].State == "Stable" {
			return
		}
	}
}

// polling is pollUntil meanwhile.
func (b *bench) polling(p poller, ok func(sum ebb.Batch) bool) <-chan ebb.Batch {
	sum := make(chan ebb.Batch, 1)
	go func() {
		defer close(sum)
		sum <- b.pollUntil(p, ok)
	}()
	return sum
}

// begunAnew is of a member that went on where the group says.
func (b *bench) begunAnew(got ebb.Batch) {
	b.Helper()
	if len(got.Revoked) != 12 || len(got.Assigned) != 12 || got.Records[0].Offset != 1 {
		b.Errorf("%d partitions were revoked and %d assigned, then %v came", len(got.Revoked), len(got.Assigned), values(got.Records))
	}
}
