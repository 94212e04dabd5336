package broker

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// watch ends the membership of who is silent in a stable group for longer than
// its session. kfake forgets those whose connection died while they waited in a
// join: nobody would ever get their partitions.
type watch struct {
	mu     sync.Mutex
	heard  map[member]heard
	groups map[string]generation // of expire alone
}

type member struct{ group, id string }

type heard struct {
	at      time.Time
	session time.Duration
}

// generation is a group's, and since when it is stable.
type generation struct {
	epoch int32
	since time.Time
}

// watchMembers notes whatever members say.
func (b *Broker) watchMembers() {
	w := &b.watch
	w.heard, w.groups = map[member]heard{}, map[string]generation{}
	note := func(group, id string, session int32) {
		w.mu.Lock()
		defer w.mu.Unlock()
		m := member{group, id}
		h, ok := w.heard[m]
		if session > 0 {
			h.session = time.Duration(session) * time.Millisecond
		} else if !ok {
			return
		}
		h.at = time.Now()
		w.heard[m] = h
	}
	for _, key := range []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.OffsetCommit, kmsg.TxnOffsetCommit} {
		b.cluster.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			switch r := req.(type) {
			case *kmsg.JoinGroupRequest:
				if r.MemberID != "" {
					note(r.Group, r.MemberID, r.SessionTimeoutMillis)
				}
			case *kmsg.SyncGroupRequest:
				note(r.Group, r.MemberID, 0)
			case *kmsg.HeartbeatRequest:
				note(r.Group, r.MemberID, 0)
			case *kmsg.OffsetCommitRequest:
				note(r.Group, r.MemberID, 0)
			case *kmsg.TxnOffsetCommitRequest:
				note(r.Group, r.MemberID, 0)
			}
			return nil, nil, false
		})
	}
}

// expire looks for the silent until the broker stops.
func (b *Broker) expire() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case now := <-tick.C:
			for _, m := range b.silent(now) {
				b.leave(m)
			}
		}
	}
}

// silent returns the members whose session is over in a group that has been
// stable for as long.
func (b *Broker) silent(now time.Time) (gone []member) {
	for m, h := range b.quiet(now) {
		info := b.cluster.GroupInfo(m.group) // not under the lock, which the cluster may wait for
		if info == nil || info.State == "Empty" {
			gone = append(gone, m) // and is to be forgotten
			continue
		}
		if info.State != "Stable" {
			delete(b.watch.groups, m.group) // in a join all are silent
			continue
		}
		g, ok := b.watch.groups[m.group]
		if !ok || g.epoch != info.Epoch {
			g = generation{info.Epoch, now}
			b.watch.groups[m.group] = g
		}
		if now.Sub(g.since) > h.session {
			gone = append(gone, m)
		}
	}
	return gone
}

// quiet returns the members that said nothing for longer than their session.
func (b *Broker) quiet(now time.Time) map[member]heard {
	b.watch.mu.Lock()
	defer b.watch.mu.Unlock()
	out := map[member]heard{}
	for m, h := range b.watch.heard {
		if now.Sub(h.at) > h.session {
			out[m] = h
		}
	}
	return out
}

// leave is what a member would say. One that is no member is none afterwards.
func (b *Broker) leave(m member) {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group = 3, m.group
	one := kmsg.NewLeaveGroupRequestMember()
	one.MemberID = m.id
	req.Members = append(req.Members, one)
	resp := kmsg.NewPtrLeaveGroupResponse()
	resp.Version = req.Version
	if b.ask(req, resp) == nil { // or the broker stops
		b.watch.mu.Lock()
		defer b.watch.mu.Unlock()
		delete(b.watch.heard, m)
	}
}
