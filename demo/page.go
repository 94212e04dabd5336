package demo

import (
	"embed"
	"io/fs"
)

//go:embed all:page
var files embed.FS

// Page returns the task board for browsers: index.html and its assets.
func Page() fs.FS {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // page is a valid path
	}
	return page
}
