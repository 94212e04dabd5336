package aggregate_test

import (
	"context"
	"fmt"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/aggregate"
)

// Account is the state; Balance the part of it that commands alter.
type Account struct {
	Balance int `json:"balance"`
}

func deposit(_ context.Context, a Account, cmd aggregate.Command) (Account, error) {
	var given struct {
		Amount int `json:"amount"`
	}
	if err := cmd.Decode(&given); err != nil {
		return a, err
	}
	if given.Amount <= 0 {
		return a, aggregate.Reject("/amount", "POSITIVE", "An amount is greater than 0.")
	}
	a.Balance += given.Amount
	return a, nil
}

func Example() {
	accounts := aggregate.Type[Account]{
		Name: "bank-account",
		On: map[string]aggregate.Reducer[Account]{
			"deposit": deposit,
			"close":   aggregate.Delete[Account],
		},
	}
	log := printing( // package kafka has the real one
		`{"_id":"a","_corr":"1","_command":"deposit","_jwt":{"sub":"ann"},"amount":7}`,
		`{"_id":"a","_corr":"2","_command":"deposit","_jwt":{"sub":"ann"},"amount":0}`,
		`{"_id":"a","_corr":"3","_command":"close","_jwt":{"sub":"ann"}}`,
	)
	if err := accounts.Run(log.ctx, log, aggregate.Config{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// applied {"balance":7}
	// rejected [{"location":"/amount","code":"POSITIVE","message":"An amount is greater than 0."}]
	// applied {"_deleted":true,"balance":7}
}

// A schema says which fields a command has, a validator what else must be so,
// and Put makes them the state.
func ExampleType() {
	accounts := aggregate.Type[Account]{
		Name:    "bank-account",
		On:      map[string]aggregate.Reducer[Account]{"put": aggregate.Put[Account]},
		Schemas: map[string]string{"put": `{"required": ["balance"], "properties": {"balance": {"type": "integer", "minimum": 0}}}`},
		Check: func(_ context.Context, a Account, cmd aggregate.Command) error {
			var next Account
			if err := cmd.Decode(&next); err != nil {
				return err
			}
			if next.Balance < a.Balance {
				return aggregate.Reject("/balance", "LESS", "A balance only grows.")
			}
			return nil
		},
	}
	log := printing(
		`{"_id":"a","_corr":"1","_command":"put","_jwt":{"sub":"ann"}}`,
		`{"_id":"a","_corr":"2","_command":"put","_jwt":{"sub":"ann"},"balance":-1}`,
		`{"_id":"a","_corr":"3","_command":"put","_jwt":{"sub":"ann"},"balance":9}`,
		`{"_id":"a","_corr":"4","_command":"put","_jwt":{"sub":"ann"},"balance":8}`,
	)
	if err := accounts.Run(log.ctx, log, aggregate.Config{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// rejected [{"location":"/balance","code":"required","message":"This is missing."}]
	// rejected [{"location":"/balance","code":"minimum","message":"This must be 0 or more."}]
	// applied {"balance":9}
	// rejected [{"location":"/balance","code":"LESS","message":"A balance only grows."}]
}

// A patch is done from the first operation to the last, or not at all. A
// reducer of one's own may end with a call of Patch.
func ExamplePatch() {
	accounts := aggregate.Type[Account]{
		Name: "bank-account",
		On: map[string]aggregate.Reducer[Account]{
			"deposit": deposit,
			"patch": func(ctx context.Context, a Account, cmd aggregate.Command) (Account, error) {
				if !cmd.Exists {
					return a, aggregate.Reject("/_id", "ABSENT", "There is no such account.")
				}
				return aggregate.Patch(ctx, a, cmd)
			},
		},
	}
	log := printing(
		`{"_id":"a","_corr":"1","_command":"patch","_jwt":{"sub":"ann"},"_ops":[{"op":"add","path":"/balance","value":1}]}`,
		`{"_id":"a","_corr":"2","_command":"deposit","_jwt":{"sub":"ann"},"amount":7}`,
		`{"_id":"a","_corr":"3","_command":"patch","_jwt":{"sub":"ann"},"_ops":[{"op":"test","path":"/balance","value":7},{"op":"replace","path":"/balance","value":8}]}`,
		`{"_id":"a","_corr":"4","_command":"patch","_jwt":{"sub":"ann"},"_ops":[{"op":"replace","path":"/balance","value":9},{"op":"test","path":"/balance","value":7}]}`,
		`{"_id":"a","_corr":"5","_command":"patch","_jwt":{"sub":"ann"},"_ops":[{"op":"replace","path":"/balance","value":"much"}]}`,
	)
	if err := accounts.Run(log.ctx, log, aggregate.Config{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// rejected [{"location":"/_id","code":"ABSENT","message":"There is no such account."}]
	// applied {"balance":7}
	// applied {"balance":8}
	// rejected [{"location":"/_ops/1","code":"TEST","message":"The value is another one."}]
	// rejected [{"location":"/balance","code":"TYPE","message":"This cannot be a string."}]
}

// printer is a log that gives some commands and prints the replies.
type printer struct {
	ctx      context.Context
	stop     func()
	commands []ebb.Record
}

func printing(commands ...string) *printer {
	p := &printer{}
	p.ctx, p.stop = context.WithCancel(context.Background())
	for _, c := range commands {
		p.commands = append(p.commands, ebb.Record{Key: []byte("a"), Value: []byte(c)})
	}
	return p
}

func (p *printer) Poll(ctx context.Context) (ebb.Batch, error) {
	if p.commands == nil {
		p.stop()
		return ebb.Batch{}, ctx.Err()
	}
	defer func() { p.commands = nil }()
	return ebb.Batch{Records: p.commands}, nil
}

func (p *printer) Restore(context.Context, int32, func(ebb.Record)) (int32, error) { return 1, nil }

func (p *printer) Commit(_ context.Context, out []ebb.Record) error {
	for _, r := range out {
		if r.Topic != "bank-account-reply" {
			continue
		}
		m, err := ebb.ParseMessage(r.Value)
		if err != nil {
			return err
		}
		if m.Bool(ebb.FieldError) {
			fmt.Printf("%s %s\n", m.String(ebb.FieldOutcome), m[ebb.FieldErrors])
			continue
		}
		shown := ebb.Message{}
		for _, field := range []string{"balance", ebb.FieldDeleted} {
			if m[field] != nil {
				shown[field] = m[field]
			}
		}
		fmt.Printf("%s %s\n", m.String(ebb.FieldOutcome), shown.JSON())
	}
	return nil
}

func (p *printer) Dead(ebb.Record, string) {}
