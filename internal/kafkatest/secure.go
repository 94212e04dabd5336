package kafkatest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Secure is an Apache Kafka that lets in who shows who he is, and allows what
// ACLs say.
type Secure struct {
	Login  string // host:port for SASL over TLS: PLAIN, SCRAM, OAUTHBEARER
	Mutual string // host:port for TLS with client certificates, whose common name is the user
	Admin  string // host:port without either, where everything is allowed

	*Authority // of all certificates
}

// Users are who there is: their passwords for PLAIN, and what signs tokens.
type Users struct {
	Passwords map[string]string
	JWKS      string // file with the keys of tokens; none if empty
}

// Whom a token must be of and for. Its subject is the user.
const (
	Issuer   = "https://login.test"
	Audience = "kafka"
)

// secureSettings are the broker's, beside those of plain.
const secureSettings = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[1]s
listeners=LOGIN://%[2]s,MUTUAL://%[3]s,ADMIN://%[4]s,CONTROLLER://%[1]s
advertised.listeners=LOGIN://%[2]s,MUTUAL://%[3]s,ADMIN://%[4]s
listener.security.protocol.map=LOGIN:SASL_SSL,MUTUAL:SSL,ADMIN:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=ADMIN
log.dirs=%[5]s/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location=%[5]s/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location=%[5]s/ca.pem
listener.name.mutual.ssl.client.auth=required
listener.name.mutual.ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/
listener.name.login.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512%[7]s
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required%[6]s;
listener.name.login.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.login.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
`

// tokenSettings are for OAUTHBEARER. Connections end with their tokens.
const tokenSettings = `listener.name.login.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
listener.name.login.oauthbearer.sasl.server.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler
listener.name.login.oauthbearer.sasl.oauthbearer.jwks.endpoint.url=file:%[1]s
listener.name.login.oauthbearer.sasl.oauthbearer.expected.audience=%[2]s
listener.name.login.oauthbearer.sasl.oauthbearer.expected.issuer=%[3]s
listener.name.login.oauthbearer.connections.max.reauth.ms=3600000
`

// RunSecure runs Kafka with its data in dir, which must be empty. The caller
// calls stop.
func RunSecure(dir string, users Users) (s *Secure, stop func(), err error) {
	jars, err := libs()
	if err != nil {
		return nil, nil, err
	}
	var addr [4]string
	for i := range addr {
		if addr[i], err = FreeAddr(); err != nil {
			return nil, nil, err
		}
	}
	s = &Secure{Login: addr[1], Mutual: addr[2], Admin: addr[3]}
	if s.Authority, err = NewAuthority(dir); err != nil {
		return nil, nil, err
	}
	if err := s.keyStore(); err != nil {
		return nil, nil, err
	}
	passwords, oauth, options := "", "", []string(nil)
	for _, name := range slices.Sorted(maps.Keys(users.Passwords)) {
		passwords += fmt.Sprintf(" user_%s=%q", name, users.Passwords[name])
	}
	if users.JWKS != "" {
		oauth = ",OAUTHBEARER"
		options = append(options, "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file:"+users.JWKS)
	}
	text := fmt.Sprintf(secureSettings, addr[0], addr[1], addr[2], addr[3], dir, passwords, oauth)
	if users.JWKS != "" {
		text += fmt.Sprintf(tokenSettings, users.JWKS, Audience, Issuer)
	}
	config := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, nil, err
	}
	d := &node{jars: jars, addr: addr[1], config: config, heap: "-Xmx512m", options: options}
	if err := errors.Join(d.format(), d.start()); err != nil {
		d.end(os.Kill)
		return nil, nil, err
	}
	return s, func() { d.end(os.Kill) }, nil
}

// keyStore makes the broker's certificate, in the one file that it wants.
func (s *Secure) keyStore() error {
	cert, key, err := s.sign("broker")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "broker.pem"), append(key, cert...), 0o600)
}
