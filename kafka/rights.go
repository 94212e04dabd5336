package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ebb-events/ebb"
)

// refused says what right is missing, where that is what err is about.
func refused(err error, doing, topic string) error {
	if !errors.Is(err, kerr.TopicAuthorizationFailed) && !errors.Is(err, kerr.ClusterAuthorizationFailed) {
		return fmt.Errorf("%s %s: %w", doing, topic, err)
	}
	switch doing {
	case "making topic":
		return fmt.Errorf("topic %s does not exist, and our user may not make it: make it first, or give the user Create (docs/operating.md, Rights): %w", topic, err)
	case "settings of topic":
		return fmt.Errorf("our user may not see the settings of topic %s: give it DescribeConfigs (docs/operating.md, Rights): %w", topic, err)
	}
	return fmt.Errorf("our user may not see topic %s: give it the topic's rights (docs/operating.md, Rights): %w", topic, err)
}

// PrepareDead refuses to begin where a dead-letter topic of these purposes'
// topics is missing and we may not make it: the first record that cannot be
// processed would stop the part. One that we may make is made when it is needed.
func (c *Client) PrepareDead(ctx context.Context, purposes ...ebb.Purpose) error {
	for _, purpose := range purposes {
		for _, of := range c.topicsOf(purpose) {
			topic := of + deadSuffix
			m, err := c.metadata(ctx, c.cl, []string{topic})
			if err != nil {
				return fmt.Errorf("kafka: %w", refused(err, "topic", topic))
			}
			if _, ok := m.topics[topic]; ok {
				continue
			}
			if err := c.create(ctx, topic, dead, m.brokers, true); err != nil {
				return fmt.Errorf("kafka: %w", refused(err, "making topic", topic))
			}
		}
	}
	return nil
}
