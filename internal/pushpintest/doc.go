// Package pushpintest runs Debian's Pushpin for tests.
package pushpintest
