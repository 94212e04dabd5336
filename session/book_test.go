package session_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/session"
)

var (
	life  = session.Life{1}
	start = time.Unix(1_800_000_000, 0)
)

// book is a book that is written to as the topic is.
type book struct {
	session.Book
	next int64
	now  time.Time
}

func newBook() *book {
	b := &book{now: start}
	b.Apply(session.Batch{Life: life}, nil)
	return b
}

func (b *book) tell(r session.Record) {
	e := session.Entry{Record: r, Offset: b.next, Time: b.now}
	b.next++
	b.Apply(session.Batch{Life: life, High: b.next, Entries: []session.Entry{e}, Next: b.next}, nil)
}

func TestRevocationIsOfWhatBeganBefore(t *testing.T) {
	b := newBook()
	before := b.At()
	b.tell(session.Record{Kind: session.Revoke, User: "ann"})
	after := b.At()
	other := session.Place{Life: session.Life{2}, Next: 1 << 40}
	for _, tt := range []struct {
		user  string
		began session.Place
		want  bool
	}{{"ann", before, true}, {"ann", after, false}, {"bob", before, false}, {"ann", other, true}, {"bob", other, false}, {"ann", session.Place{}, true}} {
		if got := b.Revoked(tt.user, "s", tt.began); got != tt.want {
			t.Errorf("%s at %v: got revoked %v, want %v", tt.user, tt.began, got, tt.want)
		}
	}
}

func TestOneSessionIsRevokedByItsName(t *testing.T) {
	b := newBook()
	b.tell(session.Record{Kind: session.Revoke, User: "ann", Session: "s"})
	if !b.Revoked("ann", "s", b.At()) || b.Revoked("ann", "t", session.Place{Life: life}) || b.Revoked("bob", "s", session.Place{Life: life}) {
		t.Error("got another session than ann's s revoked")
	}
}

func TestRenewalOnlyExtends(t *testing.T) {
	b := newBook()
	if _, ok := b.Ends("ann", "s"); ok {
		t.Error("it was renewed before it was")
	}
	for _, ms := range []int64{2000, 3000, 1000} {
		b.tell(session.Record{Kind: session.Renew, User: "ann", Session: "s", Ends: ms})
	}
	if got, ok := b.Ends("ann", "s"); !ok || got.UnixMilli() != 3000 {
		t.Errorf("got %v, want the latest end", got)
	}
	if _, ok := b.Ends("bob", "s"); ok {
		t.Error("it was renewed for another user")
	}
}

// TestWhatMattersNoMoreIsForgotten: sessions end by themselves in the end.
func TestWhatMattersNoMoreIsForgotten(t *testing.T) {
	b := newBook()
	began := b.At()
	b.tell(session.Record{Kind: session.Revoke, User: "ann"})
	b.tell(session.Record{Kind: session.Revoke, User: "bob", Session: "s"})
	b.tell(session.Record{Kind: session.Renew, User: "eve", Session: "s", Ends: 1})
	b.now = b.now.Add(session.Longest)
	b.tell(session.Record{Kind: session.Revoke, User: "x"})
	if !b.Revoked("ann", "s", began) || !b.Revoked("bob", "s", began) {
		t.Error("forgotten too early")
	}
	b.now = b.now.Add(2 * time.Hour)
	b.tell(session.Record{Kind: session.Revoke, User: "x"})
	_, renewed := b.Ends("eve", "s")
	if b.Revoked("ann", "s", began) || b.Revoked("bob", "s", began) || renewed {
		t.Error("never forgotten")
	}
}

// TestOneUserCannotFillTheBook: there is a limit for each, and beyond it more is
// revoked rather than less.
func TestOneUserCannotFillTheBook(t *testing.T) {
	b := newBook()
	began := b.At()
	for i := range 200 {
		b.tell(session.Record{Kind: session.Revoke, User: "ann", Session: fmt.Sprint(i)})
		b.tell(session.Record{Kind: session.Renew, User: "ann", Session: fmt.Sprint(i), Ends: int64(i + 1)})
	}
	renewed := 0
	for i := range 200 {
		if !b.Revoked("ann", fmt.Sprint(i), began) {
			t.Errorf("session %d is not revoked", i)
		}
		if _, ok := b.Ends("ann", fmt.Sprint(i)); ok {
			renewed++
		}
	}
	if renewed != 128 {
		t.Errorf("%d renewals are remembered, want 128", renewed)
	}
	if !b.Revoked("ann", "another", began) || b.Revoked("ann", "another", b.At()) || b.Revoked("bob", "1", began) {
		t.Error("beyond the limit all of ann's sessions end, and nobody else's")
	}
}

func TestAnotherLifeBeginsAnew(t *testing.T) {
	b := newBook()
	began := b.At()
	b.tell(session.Record{Kind: session.Revoke, User: "ann"})
	b.Apply(session.Batch{Life: session.Life{2}, High: 0}, nil)
	if b.Revoked("ann", "s", began) || b.At() != (session.Place{Life: session.Life{2}}) {
		t.Errorf("got %v, and what another topic had", b.At())
	}
}

// TestReadingAgainChangesNothing: a reader that failed begins at the topic's
// beginning.
func TestReadingAgainChangesNothing(t *testing.T) {
	b := newBook()
	b.tell(session.Record{Kind: session.Revoke, User: "ann"})
	at := b.At()
	b.Apply(session.Batch{Life: life, High: 1}, nil)
	e := session.Entry{Record: session.Record{Kind: session.Revoke, User: "ann"}, Time: start}
	b.Apply(session.Batch{Life: life, High: 1, Entries: []session.Entry{e}, Next: 1}, func(session.Record) {
		t.Error("acted on again, when there are sessions that began since")
	})
	if b.At() != at || b.Revoked("ann", "s", at) || !b.Revoked("ann", "s", session.Place{Life: life}) {
		t.Errorf("got %v, want %v", b.At(), at)
	}
}

func TestWaitIsForTheEndAndThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b session.Book
		waits := func(p session.Place) bool {
			ctx, stop := context.WithTimeout(t.Context(), time.Second)
			defer stop()
			return b.Wait(ctx, p) != nil
		}
		if !waits(session.Place{}) || b.Read() {
			t.Error("nothing was read, and it does not wait")
		}
		b.Apply(session.Batch{Life: life, High: 2}, nil)
		if !waits(session.Place{}) || b.Read() {
			t.Error("not all was read, and it does not wait")
		}
		done := make(chan error)
		go func() { done <- b.Wait(t.Context(), session.Place{Life: life, Next: 3}) }()
		b.Apply(session.Batch{Life: life, High: 2, Next: 2}, nil)
		synctest.Wait()
		select {
		case <-done:
			t.Error("came back before its place")
		default:
		}
		if waits(session.Place{Life: life, Next: 2}) || waits(session.Place{Life: session.Life{9}, Next: 7}) {
			t.Error("waits for what it has, or for another life")
		}
		b.Apply(session.Batch{Life: life, High: 3, Next: 3}, nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestRecordIsKnownBeforeItIsActedOnAndPassedAfter: who comes in between is
// judged by the one or found by the other.
func TestRecordIsKnownBeforeItIsActedOnAndPassedAfter(t *testing.T) {
	b := newBook()
	began, acted := b.At(), false
	e := session.Entry{Record: session.Record{Kind: session.Revoke, User: "ann"}}
	b.Apply(session.Batch{Life: life, High: 1, Entries: []session.Entry{e}, Next: 1}, func(session.Record) {
		acted = true
		if !b.Revoked("ann", "s", began) || b.At() != began {
			t.Errorf("revoked is %v at %v", b.Revoked("ann", "s", began), b.At())
		}
	})
	if !acted || b.At().Next != 1 {
		t.Error("not acted on, or not passed")
	}
}

func TestRecordsAndPlacesAsText(t *testing.T) {
	for _, r := range []session.Record{
		{Kind: session.Revoke, User: "ann"},
		{Kind: session.Revoke, User: "a\u2028\"b", Session: "s"},
		{Kind: session.Renew, User: "ann", Session: "s", Ends: 1_800_000_000_000},
	} {
		key, value := r.Encode()
		if got, err := session.Decode(value); err != nil || got != r || string(key) != r.User {
			t.Errorf("got %+v, %v, want %+v", got, err, r)
		}
	}
	for _, bad := range []string{"", "null", "{}", `{"kind":"revoke"}`, `{"kind":"x","user":"ann"}`, `{"kind":"renew","user":"ann","ends":1}`, `{"kind":"renew","user":"ann","session":"s"}`} {
		if got, err := session.Decode([]byte(bad)); err == nil {
			t.Errorf("%s: got %+v", bad, got)
		}
	}
	place := session.Place{Life: session.Life{1, 2, 255}, Next: 1 << 40}
	if got, err := session.ParsePlace(place.String()); err != nil || got != place {
		t.Errorf("got %v, %v, want %v", got, err, place)
	}
	for _, bad := range []string{"", ".", "0.1", place.String() + "x", "-" + place.String(), place.String()[:33] + "-1"} {
		if got, err := session.ParsePlace(bad); err == nil {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}

func TestNameDoesNotTellTheProof(t *testing.T) {
	a, b := session.NameOf("0123456789012345678901"), session.NameOf("0123456789012345678902")
	if len(a) != 22 || a == b || a == "0123456789012345678901" {
		t.Errorf("got %q and %q", a, b)
	}
}
