package aws

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRetriesAsLambdaDoes: at once, after a minute, after two more, and then the
// failure destination.
func TestRetriesAsLambdaDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var at []time.Duration
		var record string
		a := &Async{
			Name: "notify",
			Invoke: func(context.Context, []byte) ([]byte, error) {
				at = append(at, time.Since(begun))
				return nil, &FunctionError{"Unpublished", "why"}
			},
			Failed: func(b []byte) { record = string(b) },
		}
		a.Go([]byte(`{"x":1}`))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(at) != 3 || at[0] != 0 || at[1] != time.Minute || at[2] != 3*time.Minute {
			t.Errorf("invoked at %v", at)
		}
		if !strings.Contains(record, `"requestPayload":{"x":1}`) || !strings.Contains(record, `"errorMessage":"why"`) || !strings.Contains(record, `"approximateInvokeCount":3`) {
			t.Errorf("the record is %s", record)
		}
		a.Close()
	})
}

func TestWhatWorksIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		a := &Async{
			Invoke: func(context.Context, []byte) ([]byte, error) {
				if n++; n == 2 {
					return nil, nil
				}
				return nil, errors.New("once")
			},
			Failed: func(b []byte) { t.Errorf("failed: %s", b) },
		}
		a.Go(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n != 2 {
			t.Errorf("invoked %d times", n)
		}
		a.Go(nil)
		a.Close() // ends what waits
	})
}
