package bench

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
)

// WriteSection puts text, which begins with a heading of the first level, into
// a page: in place of what the page has under that heading, else at its end.
func WriteSection(path, text string) error {
	page, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, section(page, []byte(text)), 0o644)
}

// section returns page with text in it.
func section(page, text []byte) []byte {
	heading, _, _ := bytes.Cut(text, []byte("\n"))
	var before, after []byte
	found, code := false, false
	to := &before
	for line := range bytes.Lines(page) {
		if bytes.HasPrefix(line, []byte("```")) {
			code = !code
		}
		if bytes.HasPrefix(line, []byte("# ")) && !code {
			if bytes.Equal(bytes.TrimSpace(line), bytes.TrimSpace(heading)) {
				found, to = true, nil
			} else if found {
				to = &after
			}
		}
		if to != nil {
			*to = append(*to, line...)
		}
	}
	var parts [][]byte
	for _, part := range [][]byte{before, text, after} {
		if part = bytes.TrimSpace(part); len(part) > 0 {
			parts = append(parts, part)
		}
	}
	return append(bytes.Join(parts, []byte("\n\n")), '\n')
}
