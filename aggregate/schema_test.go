package aggregate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
)

// order is a state with rules.
type order struct {
	Total int      `json:"total"`
	Lines []string `json:"lines,omitempty"`
}

// ruled returns a type that has a schema of its command set.
func ruled(schema string) Type[order] {
	return Type[order]{
		Name:    "test-counter",
		On:      map[string]Reducer[order]{"set": setOrder, "put": Put[order], "patch": Patch[order], "delete": Delete[order]},
		Schemas: map[string]string{"set": schema},
	}
}

func setOrder(_ context.Context, o order, cmd Command) (order, error) { return o, cmd.Decode(&o) }

func TestSchemaOfACommand(t *testing.T) {
	tests := []struct {
		name, schema, command string
		want                  string // errors, "" for none
	}{
		{"fits", `{"properties":{"total":{"type":"integer","minimum":1}},"required":["total"],"additionalProperties":false}`, `"total":1,"_subscriptions":["bob"]`, ``},
		{"no JSON type", `{"properties":{"total":{"type":"integer"}}}`, `"total":"1"`, `/total type This must be a whole number.`},
		{"one of two types", `{"properties":{"x":{"type":["string","null"]}}}`, `"x":1`, `/x type This must be null or a text.`},
		{"missing", `{"required":["total","a/b"]}`, `"lines":[]`, `/a~1b required This is missing. /total required This is missing.`},
		{"missing inside", `{"properties":{"x":{"items":{"required":["y"]}}}}`, `"x":[{"y":1},{}]`, `/x/1/y required This is missing.`},
		{"surplus", `{"additionalProperties":false}`, `"b":1,"a":2`, `/a additionalProperties There is no such field. /b additionalProperties There is no such field.`},
		{"surplus, unevaluated", `{"allOf":[{"properties":{"b":true}}],"unevaluatedProperties":false}`, `"b":1,"a":2`, `/a unevaluatedProperties This is not allowed.`},
		{"forbidden", `{"properties":{"x":false}}`, `"x":1`, `/x not This is not allowed.`},
		{"enum", `{"properties":{"x":{"enum":["a","b",1]}}}`, `"x":"c"`, `/x enum This must be a, b or 1.`},
		{"const", `{"properties":{"x":{"const":{"a":1}}}}`, `"x":"c"`, `/x const This must be {"a":1}.`},
		{"short", `{"properties":{"x":{"minLength":1}}}`, `"x":""`, `/x minLength This must have at least 1 character.`},
		{"long", `{"properties":{"x":{"maxLength":2}}}`, `"x":"ééé"`, `/x maxLength This must have at most 2 characters.`},
		{"pattern", `{"properties":{"x":{"pattern":"^[a-z]$"}}}`, `"x":"1"`, `/x pattern This does not have the form that is asked for.`},
		{"format", `{"properties":{"x":{"format":"date"}}}`, `"x":"2026-02-30"`, `/x format This is no valid date.`},
		{"small", `{"properties":{"x":{"exclusiveMinimum":0.5}}}`, `"x":0.5`, `/x exclusiveMinimum This must be more than 0.5.`},
		{"large", `{"properties":{"x":{"maximum":9007199254740992}}}`, `"x":9007199254740993`, `/x maximum This must be 9007199254740992 or less.`},
		{"as large as it may be", `{"properties":{"x":{"maximum":9007199254740993}}}`, `"x":9007199254740993`, ``},
		{"many", `{"properties":{"lines":{"maxItems":1}}}`, `"lines":["a","b"]`, `/lines maxItems This must have at most 1 item.`},
		{"twice", `{"properties":{"lines":{"uniqueItems":true}}}`, `"lines":["a","a"]`, `/lines uniqueItems This must not have the same item twice.`},
		{"anyOf", `{"properties":{"x":{"anyOf":[{"type":"string"},{"minimum":3}]}}}`, `"x":1`, `/x anyOf This has none of the forms that are allowed.`},
		{"oneOf", `{"properties":{"x":{"oneOf":[{"type":"number"},{"minimum":0}]}}}`, `"x":1`, `/x oneOf This has more than one of the forms that are allowed.`},
		{"reference", `{"properties":{"x":{"$ref":"#/$defs/name"}},"$defs":{"name":{"type":"string","minLength":2}}}`, `"x":"a"`, `/x minLength This must have at least 2 characters.`},
		{"dependent", `{"dependentRequired":{"x":["y"]}}`, `"x":1`, `/y dependentRequired This is missing.`},
		{"names", `{"propertyNames":{"maxLength":2}}`, `"xyz":1`, `/xyz propertyNames No field can have this name.`},
		{"several", `{"properties":{"x":{"type":"string"},"y":{"type":"string"}},"required":["z"]}`, `"y":1,"x":1`,
			`/x type This must be a text. /y type This must be a text. /z required This is missing.`},
		{"enormous number", `{"properties":{"total":{"type":"integer"}}}`, `"total":1e999999999`, `/total RANGE This number is beyond all limits.`},
		{"minute number", `true`, `"x":[{"y":1e-999999999}]`, `/x/0/y RANGE This number is beyond all limits.`},
		{"endless number", `true`, `"x":1` + strings.Repeat("0", 2000), `/x RANGE This number is beyond all limits.`},
		{"old draft", `{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"x":{"type":"string"}}}`, `"x":1`, `/x type This must be a text.`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := commands(t, newBroker(), ruled(tt.schema), Config{}, `"_command":"set",`+tt.command)[0]
			var errs []ebb.Error
			_ = decode(got[ebb.FieldErrors], &errs)
			var lines []string
			for _, e := range errs {
				lines = append(lines, e.Location+" "+e.Code+" "+e.Message)
			}
			if s := strings.Join(lines, " "); s != tt.want || (tt.want == "") == got.Bool(ebb.FieldError) {
				t.Errorf("got %s, want %s; reply %.300s", s, tt.want, got.JSON())
			}
		})
	}
}

func TestManyViolationsAreOneShortAnswer(t *testing.T) {
	start := time.Now()
	got := commands(t, newBroker(), ruled(`{"properties":{"lines":{"items":{"type":"string"}}}}`), Config{},
		`"_command":"set","lines":[`+strings.Repeat("1,", 19_999)+`1]`)[0]
	if got.String(ebb.FieldOutcome) != "rejected" || len(got[ebb.FieldErrors]) > maxErrors {
		t.Errorf("got %.300s, %d bytes of errors", got.JSON(), len(got[ebb.FieldErrors]))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestBrokenSchemasEndRun(t *testing.T) {
	tests := []struct {
		name string
		typ  Type[order]
		want string
	}{
		{"no JSON", ruled(`{"type":`), `aggregate: test-counter: schema of command "set": not JSON: `},
		{"empty", ruled(``), `aggregate: test-counter: schema of command "set" is empty`},
		{"no such type", ruled(`{"properties":{"x":{"type":"text"}}}`), `aggregate: test-counter: schema of command "set": at "/properties/x/type": `},
		{"no pattern", ruled(`{"properties":{"x":{"pattern":"("}}}`), `aggregate: test-counter: schema of command "set": at "/properties/x/pattern": format`},
		{"file", ruled(`{"$ref":"file:///etc/hostname"}`), `is not in this schema, and none is loaded`},
		{"relative", ruled(`{"$ref":"other.json"}`), `is not in this schema, and none is loaded`},
		{"network", ruled(`{"$ref":"http://127.0.0.1:1/x.json"}`), `is not in this schema, and none is loaded`},
		{"place", ruled(`{"$ref":"#/$defs/none"}`), `$defs/none`},
		{"unknown command", Type[order]{Name: "test-counter", On: map[string]Reducer[order]{"put": Put[order]}, Schemas: map[string]string{"putt": `{}`}},
			`aggregate: test-counter: there is a schema of command "putt", but no reducer`},
		{"state", Type[order]{Name: "test-counter", On: map[string]Reducer[order]{"put": Put[order]}, Schema: `{"maxProperties":-1}`},
			`aggregate: test-counter: schema of the state: at "/maxProperties": minimum`},
	}
	for _, tt := range tests {
		err := tt.typ.Run(t.Context(), &member{broker: newBroker()}, Config{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestSchemaOfTheState(t *testing.T) {
	typ := ruled(`{}`)
	typ.Schema = `{"properties":{"total":{"maximum":10}},"maxProperties":2}`
	for _, tt := range []struct{ command, want string }{
		{`"_command":"set","total":11`, `"_outcome":"rejected","errors":[{"location":"/total","code":"maximum","message":"This must be 10 or less."}]`},
		{`"_command":"put","total":11`, `"_outcome":"rejected"`},
		{`"_command":"patch","_ops":[{"op":"add","path":"/total","value":11}]`, `"_outcome":"rejected"`},
		{`"_command":"patch","_ops":[{"op":"add","path":"/x","value":11},{"op":"add","path":"/y","value":11}]`, `"_outcome":"rejected"`},
		{`"_command":"put","total":1,"x":2,"_acl":{"write":["ann"]}`, `"_outcome":"applied"`},
		{`"_command":"delete"`, `"_outcome":"applied","_deleted":true`},
	} {
		got := commands(t, newBroker(), typ, Config{}, `"_command":"put","total":3`, tt.command)
		expect(t, got[1], tt.want)
	}
}

// TestStateFromBeforeItsSchema: what is stored is no reason to refuse a command
// that leaves it as it is.
func TestStateFromBeforeItsSchema(t *testing.T) {
	b := newBroker()
	typ := ruled(`{}`)
	commands(t, b, typ, Config{}, `"_command":"put","total":11`)
	typ.Schema = `{"properties":{"total":{"maximum":10}}}`
	got := commands(t, b, typ, Config{}, `"_command":"set","total":11`, `"_command":"set","lines":["a"]`, `"_command":"set","total":9`)
	expect(t, got[0], `"_outcome":"unchanged"`)
	expect(t, got[1], `"_outcome":"rejected"`)
	expect(t, got[2], `"_outcome":"applied"`)
}

// TestOrderOfTheRules: schema, validator, reducer; and the validator sees the
// state and the command.
func TestOrderOfTheRules(t *testing.T) {
	var seen []string
	typ := ruled(`{"properties":{"total":{"minimum":1}}}`)
	typ.Check = func(_ context.Context, o order, cmd Command) error {
		seen = append(seen, cmd.Name)
		var given order
		if err := cmd.Decode(&given); err != nil {
			return err
		}
		if cmd.Name == "set" && given.Total < o.Total {
			return errors.Join(Reject("/total", "LESS", "It only grows."), Reject("/_command", "LESS", "Do not."))
		}
		return nil
	}
	got := commands(t, newBroker(), typ, Config{}, `"_command":"set","total":0`, `"_command":"set","total":2`, `"_command":"set","total":1`, `"_command":"put","total":1`, `"_command":"none"`)
	expect(t, got[0], `"_outcome":"rejected","errors":[{"location":"/total","code":"minimum","message":"This must be 1 or more."}]`)
	expect(t, got[1], `"_outcome":"applied","total":2`)
	expect(t, got[2], `"_outcome":"rejected","errors":[{"location":"/total","code":"LESS","message":"It only grows."},{"location":"/_command","code":"LESS","message":"Do not."}]`)
	expect(t, got[3], `"_outcome":"applied","total":1`)
	expect(t, got[4], `"_outcome":"unknown"`)
	if s := strings.Join(seen, " "); s != "set set put" {
		t.Errorf("the validator saw %s", s)
	}
}

func TestValidatorIsHeldLikeAReducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		typ := ruled(`{}`)
		typ.Check = func(ctx context.Context, _ order, cmd Command) error {
			switch cmd.Corr {
			case "0":
				panic("secret")
			case "1":
				<-ctx.Done()
			case "2":
				return errors.New("secret")
			}
			return nil
		}
		start := time.Now()
		got := commands(t, newBroker(), typ, Config{}, `"_command":"set"`, `"_command":"set"`, `"_command":"set"`, `"_command":"set"`)
		for i, want := range []string{"failed", "failed", "failed", "applied"} {
			if outcome := got[i].String(ebb.FieldOutcome); outcome != want || strings.Contains(string(got[i].JSON()), "secret") {
				t.Errorf("got %s, want %s", got[i].JSON(), want)
			}
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %v, want the deadline of one", took)
		}
	})
}

// TestNoNameSlipsPastASchema: Go would take "Total" for total.
func TestNoNameSlipsPastASchema(t *testing.T) {
	got := commands(t, newBroker(), ruled(`{"properties":{"total":{"maximum":10}}}`), Config{}, `"_command":"set","total":1,"Total":99`)
	expect(t, got[0], `"_outcome":"applied","total":1`)
}
