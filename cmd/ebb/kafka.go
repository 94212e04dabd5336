package main

import (
	"context"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/kafka"
)

// kafkaFlags say where Kafka is, the same for all parts.
type kafkaFlags struct {
	Kafka      []string `group:"Kafka:" required:"" placeholder:"HOST:PORT" help:"Brokers; some are enough, the others are found."`
	topicFlags `embed:"" group:"Kafka:"`
}

// topicFlags say how Kafka is used, wherever it is.
type topicFlags struct {
	Types         []string `placeholder:"APP-TYPE" help:"Aggregate types to serve; all that have topics if not given."`
	Environment   string   `placeholder:"NAME" help:"Suffix of all topics, as in <app>-<type>-command-NAME."`
	Cbor          bool     `help:"Write gzip'd CBOR, not JSON; both are read."`
	KafkaTLS      bool     `name:"kafka-tls" help:"Speak TLS with the brokers."`
	KafkaUser     string   `placeholder:"NAME" help:"Log in to the brokers, by SCRAM-SHA-512."`
	KafkaPassword secret   `placeholder:"file:PATH" help:"Password of that user."`
	KafkaPlain    bool     `help:"Log in by SASL PLAIN instead, which sends the password as it is."`
}

// reach returns the way to Kafka, for a process that needs topics of these
// purposes, and closes it at the process's end. It waits for nothing: a broker
// that does not answer at the start is most often a wrong address. embedded
// says that the broker is our own.
func (f kafkaFlags) reach(ctx context.Context, p *process, embedded bool, purposes ...ebb.Purpose) (*kafka.Client, error) {
	password, err := f.KafkaPassword.text("--kafka-password")
	if err != nil {
		return nil, err
	}
	client, err := kafka.Open(kafka.Config{
		Seeds:       f.Kafka,
		Environment: f.Environment,
		Types:       f.Types,
		Embedded:    embedded,
		CBOR:        f.Cbor,
		TLS:         f.KafkaTLS,
		User:        f.KafkaUser,
		Password:    password,
		Plain:       f.KafkaPlain,
		Lost:        p.lost,
		Log:         p.env.log,
	})
	if err != nil {
		return nil, err
	}
	p.atEnd(client.Close)
	if err := client.Ping(ctx); err != nil {
		return nil, err
	}
	return client, client.Prepare(ctx, purposes...)
}
