package broker

import (
	"errors"
	"os"
)

// writeAt makes data the end of a file, from an offset on.
func writeAt(file string, at int64, data []byte) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	err = f.Truncate(at)
	if err == nil {
		_, err = f.WriteAt(data, at)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// appendFile appends to a file, which it makes if there is none.
func appendFile(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
