package ebb_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityTable: each test that docs/security.md names is there.
func TestSecurityTable(t *testing.T) {
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || len(path) > 1 && path[0] == '.'):
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".test.ts"):
			text, err := os.ReadFile(path)
			code.Write(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all := code.String()
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1)
	if len(names) < 80 {
		t.Errorf("only %d tests are named", len(names))
	}
	for _, name := range names {
		// A test in TypeScript says in a comment which one it is.
		if !strings.Contains(all, "\nfunc "+name[1]+"(") && !strings.Contains(all, "\n// "+name[1]+" (") {
			t.Errorf("there is no %s", name[1])
		}
	}
	for row := 1; row <= 59; row++ {
		if !strings.Contains(string(page), fmt.Sprintf("\n| S%02d | ", row)) && !gaps[row] {
			t.Errorf("there is no row S%02d", row)
		}
	}
}

// gaps are numbers that no threat has.
var gaps = map[int]bool{18: true, 19: true, 29: true, 38: true, 39: true, 47: true, 48: true, 49: true}
