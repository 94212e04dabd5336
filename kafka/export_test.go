package kafka

import "time"

// Decode, Encode and Gunzip are the border, for tests.
var (
	Decode = decode
	Encode = encode
	Gunzip = gunzip
)

// OpenHasty is Open with other time-outs.
func OpenHasty(cfg Config, away, age time.Duration) (*Client, error) {
	c, err := Open(cfg)
	if err != nil {
		return nil, err
	}
	c.Close()
	c.away, c.age = away, age
	return c, c.dial()
}

// Age makes a token so much older.
func (t *TokenURL) Age(by time.Duration) {
	t.until, t.ends = t.until.Add(-by), t.ends.Add(-by)
}
