package limit

import (
	"net/netip"
	"testing"
	"time"
)

func TestRateAllowsABurstAndThenSoMuchASecond(t *testing.T) {
	now := time.Now()
	r := NewRate[string](2, 10*time.Second)
	n := 0
	for r.Take("ann", now) == 0 {
		n++
	}
	if n != 20 {
		t.Errorf("%d at once, want 20", n)
	}
	if wait := r.Take("ann", now); wait != 500*time.Millisecond {
		t.Errorf("the next is there after %v, want half a second", wait)
	}
	if r.Take("bob", now) != 0 {
		t.Error("bob has to wait for ann")
	}
	n = 0
	for range 60_000 { // a minute
		now = now.Add(time.Millisecond)
		if r.Take("ann", now) == 0 {
			n++
		}
	}
	if n != 120 {
		t.Errorf("%d in a minute, want 120", n)
	}
}

// TestRateThatIsSlow: less than one in the time of the burst is still one.
func TestRateThatIsSlow(t *testing.T) {
	now := time.Now()
	r := NewRate[int](0.01, time.Second)
	if r.Take(1, now) != 0 {
		t.Error("not even one")
	}
	if wait := r.Take(1, now); wait != 100*time.Second {
		t.Errorf("then in %v, want 100 s", wait)
	}
}

func TestNoRateAllowsAll(t *testing.T) {
	r := NewRate[int](0, time.Second)
	for range 1000 {
		if r.Take(1, time.Now()) != 0 {
			t.Fatal("refused")
		}
	}
}

// TestRateForgets who is as good as new, and has a bound for all others.
func TestRateForgets(t *testing.T) {
	now := time.Now()
	r := NewRate[int](1, 10*time.Second)
	for i := range 50_000 {
		now = now.Add(time.Millisecond)
		r.Take(i, now)
	}
	if n := r.Keys(); n > 3000 { // a thousand come in the second that each is remembered
		t.Errorf("it remembers %d", n)
	}
	for i := range 3 * maxKeys {
		r.Take(i, now) // all at once
	}
	if n := r.Keys(); n > maxKeys {
		t.Errorf("it remembers %d, want %d at most", n, maxKeys)
	}
}

func TestPeer(t *testing.T) {
	as := Addresses{Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	same := func(a, b string) bool { return as.Of(a) == as.Of(b) }
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1:80", "192.0.2.1:443", true},
		{"192.0.2.1:80", "192.0.2.2:80", false},
		{"192.0.2.1:80", "[::ffff:192.0.2.1]:80", true},
		{"[2001:db8::1]:80", "[2001:db8::ffff:1]:80", true},
		{"[2001:db8::1]:80", "[2001:db8:0:1::1]:80", false},
		{"[fe80::1%eth0]:80", "[fe80::1]:80", true},
		{"10.1.2.3:80", "10.9.9.9:80", true}, // both are exempt
	} {
		if got := same(tt.a, tt.b); got != tt.same {
			t.Errorf("%s and %s: got %v, want %v", tt.a, tt.b, got, tt.same)
		}
	}
	for _, nobody := range []string{"10.1.2.3:80", "[::ffff:10.1.2.3]:80", "[fd00::1]:80", "", "@", "pipe"} {
		if as.Of(nobody) != 0 {
			t.Errorf("%q has limits", nobody)
		}
	}
	if as.Of("192.0.2.1:80") == 0 || as.Of("[2001:db8::1]:80") == 0 {
		t.Error("others have none")
	}
}
