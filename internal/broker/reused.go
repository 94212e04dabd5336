package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// epochsFile lists producer ids and epochs that name more than one transaction.
// A directory without it was written before it was kept: any may be reused.
const epochsFile = "reused-epochs"

// noteReuse writes down which epochs clients use for more than one transaction.
func (b *Broker) noteReuse(dir string) {
	noted := map[txn]bool{}
	b.cluster.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		end := req.(*kmsg.EndTxnRequest)
		e := txn{end.ProducerID, end.ProducerEpoch}
		if end.Version >= 5 || noted[e] {
			return nil, nil, false
		}
		if err := appendFile(filepath.Join(dir, epochsFile), fmt.Appendf(nil, "%d %d\n", e.id, e.epoch)); err != nil {
			err = fmt.Errorf("broker: noting an epoch: %w", err)
			b.fail(err)
			return nil, err, true
		}
		noted[e] = true
		return nil, nil, false
	})
}

// reusedEpochs returns what noteReuse wrote, and false if it never ran here.
func reusedEpochs(dir string) (reused map[txn]bool, known bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, epochsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	reused = map[txn]bool{}
	for line := range strings.Lines(string(text)) {
		var e txn
		if _, err := fmt.Sscanf(line, "%d %d\n", &e.id, &e.epoch); err == nil {
			reused[e] = true
		}
	}
	return reused, true, err
}
