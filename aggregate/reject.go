package aggregate

import (
	"encoding/json"

	"github.com/ebb-events/ebb"
)

// Reject returns the error that a command's sender gets to see. location is a
// JSON pointer into the command. Several are put together by [errors.Join].
func Reject(location, code, message string) error {
	return rejection{location, code, message}
}

type rejection ebb.Error

func (r rejection) Error() string { return r.Code + " at " + r.Location + ": " + r.Message }

// rejections returns what err is made of, if that is rejections only.
func rejections(err error) (all []ebb.Error, ok bool) {
	switch e := err.(type) {
	case rejection:
		return []ebb.Error{ebb.Error(e)}, true
	case interface{ Unwrap() error }:
		return rejections(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			some, ok := rejections(part)
			if !ok {
				return nil, false
			}
			all = append(all, some...)
		}
		return all, len(all) > 0
	}
	return nil, false
}

// refusal is a command's outcome when it is no, and what its sender is told.
type refusal struct {
	outcome ebb.Outcome
	errors  json.RawMessage // a list of [ebb.Error]
	late    bool            // the reducer's time was over
}

func refuse(outcome ebb.Outcome, errs ...ebb.Error) *refusal {
	return &refusal{outcome: outcome, errors: errorList(errs)}
}

// maxErrors is the most bytes of the errors of one command, for they are kept.
const maxErrors = 2048

// errorList encodes the first errors that have room.
func errorList(errs []ebb.Error) json.RawMessage {
	m := ebb.Message{}
	errs = errs[:min(len(errs), maxErrors/len(`{"location":""}`))]
	for n := len(errs); ; n-- {
		m.Set(ebb.FieldErrors, errs[:n])
		if list := m[ebb.FieldErrors]; len(list) <= maxErrors {
			return list
		}
		if n == 1 {
			errs = []ebb.Error{{Code: "TOO_LARGE", Message: "What is wrong is too long to tell."}}
			n = 2
		}
	}
}

// status is HTTP's number for an outcome that is no.
var status = map[ebb.Outcome]int{
	ebb.Unknown:   400,
	ebb.Forbidden: 403,
	ebb.Stale:     409,
	ebb.Rejected:  422,
	ebb.Failed:    500,
}
