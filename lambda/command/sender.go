package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/lambda"
)

// sender puts commands on an SNS topic. It is a [gateway.Sender].
type sender struct {
	client *sns.Client
	topic  string
	fifo   bool
	types  []string // that there are; any if none
}

// newSender reads what Lambda tells every function: where it is and who it is.
// That spares the SDK's search for it, and half of its size.
func newSender(s *lambda.Settings) (gateway.Sender, error) {
	topic := s.Required("EBB_COMMAND_TOPIC")
	if part := strings.Split(topic, ":"); topic != "" && (len(part) != 6 || part[0] != "arn" || part[2] != "sns") {
		return nil, fmt.Errorf("EBB_COMMAND_TOPIC: %q is no ARN of a topic", topic)
	}
	patient := retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = 300 * time.Millisecond }) // the client waits
	options := sns.Options{
		Retryer: retry.AddWithErrorCodes(patient, (*types.ThrottledException)(nil).ErrorCode()), // which is not among the SDK's
		Region:  s.Required("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{
				AccessKeyID: s.Text("AWS_ACCESS_KEY_ID"), SecretAccessKey: s.Text("AWS_SECRET_ACCESS_KEY"), SessionToken: s.Text("AWS_SESSION_TOKEN"),
			}, nil
		}),
	}
	for _, name := range []string{"AWS_ENDPOINT_URL_SNS", "AWS_ENDPOINT_URL"} {
		if url := s.Text(name); url != "" && options.BaseEndpoint == nil {
			options.BaseEndpoint = aws.String(url)
		}
	}
	return &sender{sns.New(options), topic, strings.HasSuffix(topic, ".fifo"), s.List("EBB_TYPES")}, nil
}

// Send returns once SNS has the command.
func (s *sender) Send(ctx context.Context, typ, id string, command []byte) error {
	if len(s.types) > 0 && !slices.Contains(s.types, typ) {
		return ebb.ErrUnknownType
	}
	m, err := ebb.ParseMessage(command)
	if err != nil {
		return err
	}
	in := s.message(m, typ, id, command)
	if size(in) > lambda.MaxMessage {
		return ebb.ErrTooLarge
	}
	_, err = s.client.Publish(ctx, in)
	if bad, ok := errors.AsType[*types.InvalidParameterException](err); ok && strings.Contains(bad.ErrorMessage(), "too long") {
		return ebb.ErrTooLarge
	}
	return err
}

// message is a command as SNS carries it, with attributes to filter by.
func (s *sender) message(m ebb.Message, typ, id string, command []byte) *sns.PublishInput {
	in := &sns.PublishInput{
		TopicArn: &s.topic,
		Message:  aws.String(string(command)),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"type": {DataType: aws.String("String"), StringValue: &typ},
		},
	}
	if name := m.String(ebb.FieldCommand); !strings.ContainsFunc(name, unicode.IsControl) { // which SNS would refuse
		in.MessageAttributes["command"] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &name}
	}
	if s.fifo {
		in.MessageGroupId = &id
		in.MessageDeduplicationId = aws.String(rand.Text()) // of the SDK's own repeats; those of clients are answered by the service
	}
	return in
}

// size is what counts for SNS's limit.
func size(in *sns.PublishInput) int {
	n := len(*in.Message)
	for name, a := range in.MessageAttributes {
		n += len(name) + len(*a.DataType) + len(*a.StringValue)
	}
	return n
}
