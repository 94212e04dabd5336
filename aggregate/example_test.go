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
