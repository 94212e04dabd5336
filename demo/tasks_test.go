package demo

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/aggregate"
)

func TestTasks(t *testing.T) {
	const (
		title  = `[{"location":"/title","code":"TITLE_LENGTH","message":"A title has 1 to 200 characters."}]`
		column = `[{"location":"/column","code":"COLUMN","message":"A column is todo, doing or done."}]`
		user   = `[{"location":"/user","code":"USER","message":"A user's name has 1 to 200 bytes."}]`
		absent = `[{"location":"/_id","code":"ABSENT","message":"There is no such task."}]`
		milk   = `ann create "title":"Milk"`
		share  = `ann share "user":"bob"`
	)
	tests := []struct {
		name     string
		commands string // sender, command, fields; one a line
		want     string // the last reply's outcome and fields
	}{
		{"create", `ann create "title":" Milk "`,
			`applied "title":"Milk","column":"todo","owner":"ann","sharedWith":[],"_subscriptions":["ann"],"_acl":{"get":["ann"],"write":["ann"]},"assignee":`},
		{"create twice", milk + "\n" + milk, `rejected "errors":[{"location":"/_id","code":"EXISTS","message":"There is such a task already."}]`},
		{"create another's", milk + "\n" + `bob create "title":"Mine"`, `forbidden "_statusCode":403`},
		{"create without title", `ann create "x":1`, `rejected "errors":` + title},
		{"create with spaces", `ann create "title":" \t "`, `rejected "errors":` + title},
		{"create with a number", `ann create "title":7`, `rejected "errors":[{"location":"/title","code":"TYPE","message":"This cannot be a number."}]`},
		{"200 characters", `ann create "title":"` + strings.Repeat("é", 200) + `"`, `applied`},
		{"201 characters", `ann create "title":"` + strings.Repeat("é", 201) + `"`, `rejected "errors":` + title},
		{"rename", milk + "\n" + `ann rename "title":"Bread"`, `applied "title":"Bread"`},
		{"rename to the same", milk + "\n" + `ann rename "title":"Milk "`, `unchanged "title":"Milk"`},
		{"rename to nothing", milk + "\n" + `ann rename "title":""`, `rejected "errors":` + title},
		{"rename nothing", `ann rename "title":"Bread"`, `rejected "errors":` + absent},
		{"move", milk + "\n" + `ann move "column":"doing"`, `applied "column":"doing"`},
		{"move nowhere", milk + "\n" + `ann move "column":"Doing"`, `rejected "errors":` + column},
		{"share", milk + "\n" + share,
			`applied "sharedWith":["bob"],"_subscriptions":["ann","bob"],"_acl":{"get":["ann","bob"],"write":["ann","bob"]}`},
		{"share again", milk + "\n" + share + "\n" + share, `unchanged "sharedWith":["bob"]`},
		{"share with the owner", milk + "\n" + `ann share "user":"ann"`, `unchanged "sharedWith":[]`},
		{"share with nobody", milk + "\n" + `ann share "user":""`, `rejected "errors":` + user},
		{"share with a long name", milk + "\n" + `ann share "user":"` + strings.Repeat("é", 101) + `"`, `rejected "errors":` + user},
		{"a member moves", milk + "\n" + share + "\n" + `bob move "column":"done"`, `applied "column":"done"`},
		{"a stranger moves", milk + "\n" + share + "\n" + `eve move "column":"done"`, `forbidden "_statusCode":403`},
		{"assign", milk + "\n" + `ann assign "user":"bob"`, `applied "assignee":"bob","sharedWith":["bob"],"_subscriptions":["ann","bob"]`},
		{"assign to a member", milk + "\n" + share + "\n" + `ann assign "user":"bob"`, `applied "assignee":"bob","sharedWith":["bob"]`},
		{"assign to oneself", milk + "\n" + `ann assign "user":"ann"`, `applied "assignee":"ann","sharedWith":[]`},
		{"assign to nobody", milk + "\n" + `ann assign "x":1`, `rejected "errors":` + user},
		{"delete", milk + "\n" + share + "\n" + `bob delete "x":1`, `applied "_deleted":true,"title":"Milk","_subscriptions":["ann","bob"]`},
		{"delete twice", milk + "\n" + `ann delete "x":1` + "\n" + `ann delete "x":2`, `rejected "errors":` + absent},
		{"create after delete", milk + "\n" + share + "\n" + `ann delete "x":1` + "\n" + `ann create "title":"New"`,
			`applied "_seq":3,"title":"New","sharedWith":[],"_deleted":`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			replies := play(t, strings.Split(tt.commands, "\n"))
			got := replies[len(replies)-1]
			outcome, fields, _ := strings.Cut(tt.want, " ")
			if got.String(ebb.FieldOutcome) != outcome {
				t.Fatalf("got %s, want outcome %s", got.JSON(), outcome)
			}
			for field, want := range split(t, fields) {
				if string(got[field]) != want {
					t.Errorf("got %s %s, want %s", field, got[field], want)
				}
			}
		})
	}
}

// split reads fields; one without a value must not be there.
func split(t *testing.T, fields string) map[string]string {
	absent := ""
	if rest, ok := strings.CutSuffix(fields, ":"); ok {
		i := strings.LastIndex(rest, ",")
		fields, absent = rest[:i], strings.Trim(rest[i+1:], `"`)
	}
	m, err := ebb.ParseMessage([]byte("{" + fields + "}"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for field, value := range m {
		want[field] = string(value)
	}
	if absent != "" {
		want[absent] = ""
	}
	return want
}

// play returns the replies to commands, each of its own correlation.
func play(t *testing.T, commands []string) (replies []ebb.Message) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := &log{done: cancel}
	for i, c := range commands {
		f := strings.SplitN(c, " ", 3)
		value := fmt.Sprintf(`{"_id":"t","_corr":"%d","_jwt":{"sub":%q},"_command":%q,%s}`, i, f[0], f[1], f[2])
		l.records = append(l.records, ebb.Record{Key: []byte("t"), Value: []byte(value)})
	}
	if err := Tasks().Run(ctx, l, aggregate.Config{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range l.out {
		if r.Topic == "board-task-reply" {
			m, err := ebb.ParseMessage(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			replies = append(replies, m)
		}
	}
	return replies
}

// log gives its records once.
type log struct {
	records, out []ebb.Record
	done         func()
}

func (l *log) Poll(ctx context.Context) (b ebb.Batch, err error) {
	b.Records, l.records = l.records, nil
	if b.Records == nil {
		l.done()
	}
	return b, ctx.Err()
}

func (l *log) Restore(context.Context, int32, func(ebb.Record)) (int32, error) { return 1, nil }
func (l *log) Commit(_ context.Context, out []ebb.Record) error                { l.out = out; return nil }
func (l *log) Dead(_ ebb.Record, reason string)                                { panic(reason) }

func TestPageHasAnIndex(t *testing.T) {
	if _, err := fs.Stat(Page(), "index.html"); err != nil {
		t.Error(err)
	}
}
