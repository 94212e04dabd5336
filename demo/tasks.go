// Package demo is the task board: a service as small as a team would write it,
// and its page.
package demo

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/aggregate"
)

// Task is the state of a board-task. Its members are its owner and those whom
// it is shared with: they may read and change it, and hear of it.
type Task struct {
	Title         string         `json:"title"`
	Column        string         `json:"column"` // todo, doing or done
	Assignee      ebb.Username   `json:"assignee,omitempty"`
	Owner         ebb.Username   `json:"owner"`
	SharedWith    []ebb.Username `json:"sharedWith"`
	ACL           ebb.ACL        `json:"_acl"`
	Subscriptions []ebb.Username `json:"_subscriptions"`
}

// fields are what commands carry.
type fields struct {
	Title  string       `json:"title"`
	Column string       `json:"column"`
	User   ebb.Username `json:"user"`
}

// Tasks is the aggregate type of the board.
func Tasks() aggregate.Type[Task] {
	return aggregate.Type[Task]{
		Name: "board-task",
		On: map[string]aggregate.Reducer[Task]{
			"create": create,
			"rename": existing(rename),
			"move":   existing(move),
			"assign": existing(assign),
			"share":  existing(share),
			"delete": existing(aggregate.Delete[Task]),
		},
	}
}

func create(_ context.Context, t Task, cmd aggregate.Command) (Task, error) {
	if cmd.Exists {
		return t, aggregate.Reject("/_id", "EXISTS", "There is such a task already.")
	}
	t = Task{Column: "todo", Owner: cmd.User.Name, SharedWith: []ebb.Username{}}
	return t.members().titled(cmd)
}

func rename(_ context.Context, t Task, cmd aggregate.Command) (Task, error) {
	return t.titled(cmd)
}

func move(_ context.Context, t Task, cmd aggregate.Command) (Task, error) {
	var to fields
	if err := cmd.Decode(&to); err != nil {
		return t, err
	}
	if !slices.Contains([]string{"todo", "doing", "done"}, to.Column) {
		return t, aggregate.Reject("/column", "COLUMN", "A column is todo, doing or done.")
	}
	t.Column = to.Column
	return t, nil
}

// assign shares too, or the assignee could not see the task.
func assign(ctx context.Context, t Task, cmd aggregate.Command) (Task, error) {
	user, err := named(cmd)
	if err != nil {
		return t, err
	}
	t.Assignee = user
	return share(ctx, t, cmd)
}

func share(_ context.Context, t Task, cmd aggregate.Command) (Task, error) {
	user, err := named(cmd)
	if err != nil || slices.Contains(t.Subscriptions, user) {
		return t, err
	}
	t.SharedWith = append(t.SharedWith, user)
	return t.members(), nil
}

// existing returns f for tasks that there are.
func existing(f aggregate.Reducer[Task]) aggregate.Reducer[Task] {
	return func(ctx context.Context, t Task, cmd aggregate.Command) (Task, error) {
		if !cmd.Exists {
			return t, aggregate.Reject("/_id", "ABSENT", "There is no such task.")
		}
		return f(ctx, t, cmd)
	}
}

// titled sets the title, without the spaces around it.
func (t Task) titled(cmd aggregate.Command) (Task, error) {
	var given fields
	if err := cmd.Decode(&given); err != nil {
		return t, err
	}
	t.Title = strings.TrimSpace(given.Title)
	if n := utf8.RuneCountInString(t.Title); n < 1 || n > 200 {
		return t, aggregate.Reject("/title", "TITLE_LENGTH", "A title has 1 to 200 characters.")
	}
	return t, nil
}

// members lets the owner and those whom t is shared with take part.
func (t Task) members() Task {
	all := append([]ebb.Username{t.Owner}, t.SharedWith...)
	t.ACL = ebb.ACL{ebb.ActionGet: all, ebb.ActionWrite: all}
	t.Subscriptions = all
	return t
}

func named(cmd aggregate.Command) (ebb.Username, error) {
	var to fields
	if err := cmd.Decode(&to); err != nil {
		return "", err
	}
	if to.User == "" || len(to.User) > 200 {
		return "", aggregate.Reject("/user", "USER", "A user's name has 1 to 200 bytes.")
	}
	return to.User, nil
}
