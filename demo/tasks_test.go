package demo

import (
	"io/fs"
	"testing"

	"github.com/ebb-events/ebb/aggregate/aggregatetest"
)

func TestTasks(t *testing.T) {
	aggregatetest.Play(t, Tasks(), "testdata/*.txt")
}

func TestPageHasAnIndex(t *testing.T) {
	if _, err := fs.Stat(Page(), "index.html"); err != nil {
		t.Error(err)
	}
}
