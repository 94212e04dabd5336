package channel

import "strings"

// foreignMark ends a prefix. It is a control character, which names of users
// never have, so that no foreign channel is that of a user.
const foreignMark = "\x1f"

// maxPrefix is the longest prefix, in bytes.
const maxPrefix = 32

// Foreign returns the channel that a back end other than Ebb's own gateway
// calls name: under that prefix, apart from all users and other back ends.
// Without a prefix it is name itself.
func Foreign(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + foreignMark + name
}

// ValidPrefix tells whether channels can be kept apart by a prefix.
func ValidPrefix(prefix string) bool {
	return prefix != "" && len(prefix) <= maxPrefix && strings.Trim(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

// place is what decides on the partition: all channels of one prefix share it,
// so that what one back end publishes has one order.
func place(channel string) string {
	prefix, _, foreign := strings.Cut(channel, foreignMark)
	if !foreign || !ValidPrefix(prefix) {
		return channel
	}
	return prefix + foreignMark
}
