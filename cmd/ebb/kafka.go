package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	Types       []string `placeholder:"APP-TYPE" help:"Aggregate types to serve; all that have topics if not given."`
	Environment string   `placeholder:"NAME" help:"Suffix of all topics, as in <app>-<type>-command-NAME."`
	Cbor        bool     `help:"Write gzip'd CBOR, not JSON; both are read."`

	KafkaTLS        bool   `name:"kafka-tls" help:"Speak TLS with the brokers."`
	KafkaCA         string `name:"kafka-ca" placeholder:"FILE" help:"Authorities that vouch for the brokers, in PEM, not the system's; speak TLS."`
	KafkaCert       string `placeholder:"FILE" help:"Our certificate for the brokers, with its chain, in PEM, read again for every connection; speak TLS."`
	KafkaCertKey    string `placeholder:"FILE" help:"That certificate's key, in PEM."`
	KafkaSASL       string `name:"kafka-sasl" placeholder:"NAME" help:"How to log in: plain, scram-sha-256, scram-sha-512 or oauthbearer; the last with a token, else scram-sha-512 with a user."`
	KafkaUser       string `placeholder:"NAME" help:"User of the brokers, or with --kafka-token-url the client's id."`
	KafkaPassword   secret `placeholder:"file:PATH" help:"That user's password, or that client's secret; a file is read again at every login."`
	KafkaToken      secret `placeholder:"file:PATH" help:"Token to log in with; a file is read again at every login."`
	KafkaTokenURL   string `name:"kafka-token-url" placeholder:"URL" help:"Get tokens there, by OAuth's client credentials."`
	KafkaTokenScope string `placeholder:"SCOPE" help:"What those tokens shall be good for."`
}

// reach returns the way to Kafka, for a process that needs topics of these
// purposes, and closes it at the process's end. It waits for nothing: a broker
// that does not answer at the start is most often a wrong address. embedded
// says that the broker is our own.
func (f kafkaFlags) reach(ctx context.Context, p *process, embedded bool, purposes ...ebb.Purpose) (*kafka.Client, error) {
	login, err := f.login()
	if err != nil {
		return nil, err
	}
	client, err := kafka.Open(kafka.Config{
		Seeds:       f.Kafka,
		Environment: f.Environment,
		Types:       f.Types,
		Embedded:    embedded,
		CBOR:        f.Cbor,
		TLS:         kafka.TLS{On: f.KafkaTLS, CA: f.KafkaCA, Cert: f.KafkaCert, Key: f.KafkaCertKey},
		Login:       login,
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

// login is who the process is to the brokers.
func (f topicFlags) login() (l kafka.Login, err error) {
	l = kafka.Login{Mechanism: strings.ToUpper(f.KafkaSASL), User: f.KafkaUser}
	ways := []string{"", kafka.Plain, kafka.Scram256, kafka.Scram512, kafka.OAuth}
	switch {
	case !slices.Contains(ways, l.Mechanism):
		return l, fmt.Errorf("--kafka-sasl %q is none of %s", f.KafkaSASL, strings.ToLower(strings.Join(ways[1:], ", ")))
	case f.KafkaToken != "" && f.KafkaTokenURL != "":
		return l, errors.New("--kafka-token and --kafka-token-url exclude each other")
	case f.KafkaToken != "":
		l.Secret, err = f.KafkaToken.current("--kafka-token")
	case f.KafkaPassword != "":
		l.Secret, err = f.KafkaPassword.current("--kafka-password")
	case f.KafkaUser != "":
		err = errors.New("--kafka-user needs --kafka-password (EBB_KAFKA_PASSWORD)")
	}
	if err != nil {
		return l, err
	}
	if f.KafkaTokenURL != "" {
		tokens := &kafka.TokenURL{URL: f.KafkaTokenURL, Client: f.KafkaUser, Secret: l.Secret, Scope: f.KafkaTokenScope}
		if err := tokens.Check(); err != nil {
			return l, fmt.Errorf("--kafka-token-url: %w (--kafka-user, --kafka-password)", err)
		}
		l.User, l.Secret = "", tokens.Token
	}
	if l.Mechanism == "" && (f.KafkaToken != "" || f.KafkaTokenURL != "") {
		l.Mechanism = kafka.OAuth
	} else if l.Mechanism == "" && l.User != "" {
		l.Mechanism = kafka.Scram512
	}
	return l, nil
}
