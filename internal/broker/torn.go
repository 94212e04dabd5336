package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
)

// kfake ends a transaction partition by partition, and says so in pids.log
// last. A death in between leaves it torn: ended here, open there, and kfake
// then takes what is open for aborted. So before kfake reads the directory, each
// open transaction gets the marker that it lacks: commit, if another partition
// has the commit marker of the same producer id and epoch, and abort if not.
//
// A producer id and epoch name one transaction with clients that end
// transactions with EndTxn 5 or later, for which kfake raises the epoch each
// time. Older clients use an epoch again and again: a commit marker may be of an
// earlier transaction. Nothing in the log tells which, so those epochs are
// written down before the first of their transactions ends (noteReuse), and what
// is open of them is aborted, which is what kfake does with all that is open.
//
// Abort has a marker too because kfake, at the next crash, would take a later
// transaction's marker for the end of this one, and commit it.

// A txn is a producer id and an epoch: one transaction, if its client is not old.
type txn struct {
	id    int64
	epoch int16
}

// endTorn ends the transactions that a crash left open in dir, a data directory
// that kfake has not opened yet.
func endTorn(dir string, log *slog.Logger) error {
	reused, known, err := reusedEpochs(dir)
	if err == nil {
		err = endOpen(filepath.Join(dir, "broker"), func(t txn) bool { return known && !reused[t] }, log)
	}
	if err == nil && !known {
		err = appendFile(filepath.Join(dir, epochsFile), nil)
	}
	if err != nil {
		return fmt.Errorf("data directory %s: ending transactions: %w", dir, err)
	}
	return nil
}

// endOpen ends what is open in kfake's directory. once tells which txn is one
// transaction.
func endOpen(dir string, once func(txn) bool, log *slog.Logger) error {
	if _, err := os.Stat(filepath.Join(dir, "session_state.json")); !errors.Is(err, fs.ErrNotExist) {
		return err // nil after a clean shutdown: kfake carries on with what is open
	}
	entries, err := os.ReadDir(filepath.Join(dir, "partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	var dirs []string
	for _, e := range entries {
		dirs = append(dirs, filepath.Join(dir, "partitions", e.Name()))
	}
	if !slices.ContainsFunc(dirs, written) {
		return nil
	}
	l := logs{committed: map[txn]bool{}, last: map[int64]ending{}}
	if l.pids, err = readPIDs(filepath.Join(dir, "pids.log")); err != nil {
		return err
	}
	if err := l.read(dirs); err != nil {
		return err
	}
	open := l.judge(once)
	if err := l.end(open, once); err != nil {
		return err
	}
	if len(open) > 0 {
		commits := 0
		for _, e := range open {
			if e.commit {
				commits++
			}
		}
		log.Info("ended transactions that a crash left open", "committed", commits, "aborted", len(open)-commits)
	}
	return nil
}

// logs are all of kfake's, as a crash left them.
type logs struct {
	pids      *pids
	parts     []*part
	committed map[txn]bool     // somewhere
	last      map[int64]ending // that a producer has anywhere, by its id
}

func (l *logs) read(dirs []string) error {
	for _, dir := range dirs {
		p := &part{dir: dir, open: map[int64][]int16{}}
		err := p.read(func(e ending) {
			l.committed[e.txn] = l.committed[e.txn] || e.commit
			if was, ok := l.last[e.id]; !ok || e.epoch >= was.epoch {
				l.last[e.id] = e
			}
		})
		if err != nil {
			return err
		}
		l.parts = append(l.parts, p)
	}
	return nil
}

// judge says how what is open ends, by producer id. What a producer has open is
// one transaction: its last.
func (l *logs) judge(once func(txn) bool) map[int64]ending {
	open := map[int64]ending{}
	for _, p := range l.parts {
		for id, epochs := range p.open {
			e, seen := open[id]
			if !seen {
				e = ending{txn{id, epochs[0]}, true}
			}
			for _, n := range epochs {
				e.commit = e.commit && n == e.epoch // two epochs are two transactions: one was never ended
				e.epoch = max(e.epoch, n)
			}
			open[id] = e
		}
	}
	for id, e := range open {
		e.commit = e.commit && l.committed[e.txn] && once(e.txn) && l.pids.epochs[id] <= e.epoch
		open[id] = e
	}
	return open
}

// end ends what is open. An abort is told to the producer first, so that it
// cannot go on with the rest of its transaction; a commit when it is one.
func (l *logs) end(open map[int64]ending, once func(txn) bool) error {
	for _, e := range open {
		if e.commit {
			continue
		}
		if err := l.pids.ended(e); err != nil {
			return err
		}
	}
	for _, p := range l.parts {
		for id := range p.open {
			if err := p.end(open[id]); err != nil {
				return err
			}
		}
	}
	for id, e := range open {
		l.last[id] = e
	}
	for _, e := range l.last { // ended, but perhaps its producer's epoch was not raised any more
		if !once(e.txn) {
			continue
		}
		if err := l.pids.ended(e); err != nil { // which an abort was already
			return err
		}
	}
	return nil
}
