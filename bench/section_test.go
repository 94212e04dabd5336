package bench

import (
	"os"
	"path/filepath"
	"testing"
)

func TestEachBenchReplacesItsOwnSection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	write := func(text string) string {
		t.Helper()
		if err := WriteSection(path, text); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(page)
	}
	const code = "```\n# Streams\n```\n"
	for _, step := range []struct{ text, want string }{
		{"# Streams\n\nfast\n", "# Streams\n\nfast\n"},
		{"# Commands\n\n## How\n\nslow\n" + code, "# Streams\n\nfast\n\n# Commands\n\n## How\n\nslow\n" + code},
		{"# Streams\n\nfaster\n", "# Streams\n\nfaster\n\n# Commands\n\n## How\n\nslow\n" + code},
		{"# Commands\nfast\n", "# Streams\n\nfaster\n\n# Commands\nfast\n"},
		{"# Com\n", "# Streams\n\nfaster\n\n# Commands\nfast\n\n# Com\n"},
		{"# Commands\nfine\n", "# Streams\n\nfaster\n\n# Commands\nfine\n\n# Com\n"},
	} {
		if got := write(step.text); got != step.want {
			t.Errorf("after %q: got\n%s\nwant\n%s", step.text, got, step.want)
		}
	}
	if err := WriteSection(t.TempDir(), "# A"); err == nil {
		t.Error("a folder was written to")
	}
}
