// Package demo is the task board: a service as small as a team would write it,
// and its page.
package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"

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

// fields are what commands carry, as their schemas have it.
type fields struct {
	Title  string       `json:"title"`
	Column string       `json:"column"`
	User   ebb.Username `json:"user"`
}

const (
	title  = `{"required": ["title"], "properties": {"title": {"type": "string", "maxLength": 200}}}`
	column = `{"required": ["column"], "properties": {"column": {"enum": ["todo", "doing", "done"]}}}`
	user   = `{"required": ["user"], "properties": {"user": {"type": "string", "minLength": 1, "maxLength": 200}}}`
)

// Tasks is the aggregate type of the board.
func Tasks() aggregate.Type[Task] {
	return aggregate.Type[Task]{
		Name: "board-task",
		On: map[string]aggregate.Reducer[Task]{
			"create": create,
			"rename": rename,
			"move":   move,
			"assign": assign,
			"share":  share,
			"delete": aggregate.Delete[Task],
		},
		Schemas: map[string]string{"create": title, "rename": title, "move": column, "assign": user, "share": user},
		Check:   exists,
	}
}

// exists lets create make a task, and all others have one.
func exists(_ context.Context, _ Task, cmd aggregate.Command) error {
	switch create := cmd.Name == "create"; {
	case create && cmd.Exists:
		return aggregate.Reject("/_id", "EXISTS", "There is such a task already.")
	case !create && !cmd.Exists:
		return aggregate.Reject("/_id", "ABSENT", "There is no such task.")
	}
	return nil
}

func create(ctx context.Context, _ Task, cmd aggregate.Command) (Task, error) {
	t := Task{Column: "todo", Owner: cmd.User.Name, SharedWith: []ebb.Username{}}
	return rename(ctx, t.members(), cmd)
}

// rename sets the title, without the spaces around it.
func rename(_ context.Context, t Task, cmd aggregate.Command) (Task, error) {
	var given fields
	if err := cmd.Decode(&given); err != nil {
		return t, err
	}
	if t.Title = strings.TrimSpace(given.Title); t.Title == "" {
		return t, aggregate.Reject("/title", "TITLE_LENGTH", "A title has 1 to 200 characters.")
	}
	return t, nil
}

// move goes to any column. But what is done stays so, unless its owner thinks
// otherwise.
func move(_ context.Context, t Task, cmd aggregate.Command) (Task, error) {
	var to fields
	if err := cmd.Decode(&to); err != nil {
		return t, err
	}
	if t.Column == "done" && to.Column != "done" && cmd.User.Name != t.Owner {
		return t, aggregate.Reject("/column", "OWNER", fmt.Sprintf("Only %s, the owner, takes this task out of Done.", t.Owner))
	}
	t.Column = to.Column
	return t, nil
}

// assign shares too, or the assignee could not see the task.
func assign(ctx context.Context, t Task, cmd aggregate.Command) (Task, error) {
	var to fields
	if err := cmd.Decode(&to); err != nil {
		return t, err
	}
	t.Assignee = to.User
	return share(ctx, t, cmd)
}

func share(_ context.Context, t Task, cmd aggregate.Command) (Task, error) {
	var with fields
	err := cmd.Decode(&with)
	if err != nil || slices.Contains(t.Subscriptions, with.User) {
		return t, err
	}
	t.SharedWith = append(t.SharedWith, with.User)
	return t.members(), nil
}

// members lets the owner and those whom t is shared with take part.
func (t Task) members() Task {
	all := append([]ebb.Username{t.Owner}, t.SharedWith...)
	t.ACL = ebb.ACL{ebb.ActionGet: all, ebb.ActionWrite: all}
	t.Subscriptions = all
	return t
}
