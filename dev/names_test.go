package dev_test

import "strings"

// lookalikes are names that some system somewhere takes for name: each is
// somebody else's.
func lookalikes(name string) []string {
	half := len(name) / 2
	return []string{
		// separators, of channels, paths, lists, topics, URLs
		name + ",", "," + name, name + "," + name, name + ";x=y", name + "; prev-id=1", name + "|", name + "/", "/" + name, name + "/../" + name,
		name + "\\", name + "#", name + "?", name + "&u=" + name, name + "=", name + "\"", "\"" + name + "\"", "'" + name + "'", name + "%00", name + "%1f", name + "%2C",
		name + "\\u0000", name + "\\n", "{" + name + "}", "[" + name + "]", "$" + name, "@" + name, name + "@example.org",
		// namespaces of issuers, prefixes of back ends
		"a:" + name, "b:" + name, ":" + name, name + ":", "a:b:" + name, "shop:" + name, "shop\u241f" + name, "shop " + name, "shop-" + name, "realm/" + name,
		// wildcards
		name + "*", "*" + name, name + ">", name[:half] + "*", name[:half] + "?" + name[half+1:], ".*" + name, name + "$",
		// prefixes and repeats
		name[:len(name)-1], name[1:], name + "0", "0" + name, name + name, strings.Repeat("x", 200-len(name)) + name, name + strings.Repeat("x", 200-len(name)),
		// case
		strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], strings.Replace(name, "s", "\u017f", 1), strings.Replace(name, "k", "\u212a", 1) + "\u0130",
		// space, seen and unseen
		" " + name, name + " ", name + "\u00a0", name + "\u2003", name + "\u200b", "\u200d" + name, "\ufeff" + name, name + "\u00ad", name + "\u2060", name[:half] + "\u200c" + name[half:],
		name + "\u2028", name + "\u2029", "\u202e" + name, name + "\u2066", name + "\U000e0041", name + "\ufe0f",
		// forms of Unicode
		strings.Replace(name, "e", "\u00e9", 1), strings.Replace(name, "e", "e\u0301", 1), strings.Replace(name, "e", "\u0435", 1), strings.Replace(name, "s", "\u0455", 1),
		wide(name), "\u1e9b\u0323" + name, "\u1e69" + name, "s\u0323\u0307" + name, "\ufb03" + name, "ffi" + name, "\u2126" + name, "\u03a9" + name,
		"\U0001f468\u200d\U0001f469" + name, "\U0001f468" + name, "null", "undefined", "true", "0", "__proto__", "constructor", "-1",
		// what comes of reading bytes as something else
		"\u00c3\u00a9" + name, name + "==", "=?utf-8?q?" + name + "?=",
	}
}

// wide is a name in full-width letters.
func wide(name string) string {
	return strings.Map(func(c rune) rune {
		if c > ' ' && c < 0x7f {
			return c + 0xfee0
		}
		return c
	}, name)
}

// unnameable are channels near name that can be nobody's.
func unnameable(name string) []string {
	return []string{
		name + "\x00", "\x00" + name, name + "\x1f", "\x1f" + name, "shop\x1f" + name, name + "\x1f" + name, "a:\x1f" + name, name + "\n", name + "\r\n", name + "\t", "\b" + name, name + "\x1b[0m", name + "\x7f",
		name + "\u0080", name + "\u0085", "\u009f" + name, name + "\ufffd", name + "\r\ndata: x\r\n\r\n", name + "\nGrip-Channel: x", strings.Repeat("\x00", 8) + name,
	}
}
