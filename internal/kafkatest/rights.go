package kafkatest

import (
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Rights reads the kafka-acls commands of a page: what is written down for
// operators is what the tests grant.
func Rights(page string) (acls []*kadm.ACLBuilder, err error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		options, ok := strings.CutPrefix(line, "acl --")
		if !ok {
			continue
		}
		acl, err := right(options)
		if err != nil {
			return nil, fmt.Errorf("kafkatest: %s: %q: %w", page, strings.TrimSpace(line), err)
		}
		acls = append(acls, acl)
	}
	if len(acls) == 0 {
		return nil, fmt.Errorf("kafkatest: %s has no commands that begin with acl", page)
	}
	return acls, nil
}

// right reads the options of one command.
func right(text string) (*kadm.ACLBuilder, error) {
	acl := kadm.NewACLs().AllowHosts().ResourcePatternType(kadm.ACLPatternLiteral)
	options := map[string][]string{}
	for option := range strings.SplitSeq(text, " --") {
		name, value, _ := strings.Cut(strings.TrimSpace(option), " ")
		options[name] = append(options[name], value)
	}
	for name, values := range options {
		switch name {
		case "allow-principal":
			acl.Allow(values...)
		case "operation":
			var ops []kadm.ACLOperation
			for _, v := range values {
				op, err := kmsg.ParseACLOperation(v)
				if err != nil {
					return nil, err
				}
				ops = append(ops, op)
			}
			acl.Operations(ops...)
		case "topic":
			acl.Topics(values...)
		case "group":
			acl.Groups(values...)
		case "transactional-id":
			acl.TransactionalIDs(values...)
		case "resource-pattern-type":
			acl.ResourcePatternType(kadm.ACLPatternPrefixed)
		default:
			return nil, fmt.Errorf("no option that the tests know: %s", name)
		}
	}
	return acl, nil
}
