package main

import (
	"errors"
	"net/netip"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/gateway"
)

// edgeLimits are how many streams somebody may have at an edge. ebb dev has
// none.
type edgeLimits struct {
	UserStreams    int     `default:"20" placeholder:"N" help:"Most streams of one user; one more ends the oldest. 0: any number."`
	AddressStreams int     `default:"1000" placeholder:"N" help:"Most streams of one address, or network of 64 bits of IPv6; 0: any number."`
	Opens          float64 `default:"10000" placeholder:"N" help:"Most streams opened a second; 0: any number."`
	AddressOpens   float64 `default:"50" placeholder:"N" help:"Most streams opened a second by one address, ten times as many at once; 0: any number."`
}

// Validate says what no limit can be.
func (l *edgeLimits) Validate() error {
	if l.UserStreams < 0 || l.AddressStreams < 0 || l.Opens < 0 || l.AddressOpens < 0 {
		return errors.New("--user-streams, --address-streams, --opens and --address-opens cannot be negative")
	}
	return nil
}

func (l *edgeLimits) limits(exempt []netip.Prefix) edge.Limits {
	return edge.Limits{User: l.UserStreams, Address: l.AddressStreams, Opens: l.Opens, AddressOpens: l.AddressOpens, Exempt: exempt}
}

// gatewayLimits are how much somebody may ask of a gateway. ebb dev has none.
type gatewayLimits struct {
	UserCommands    float64 `default:"50" placeholder:"N" help:"Most commands a second of one user, ten times as many at once; 0: any number."`
	AddressCommands float64 `default:"500" placeholder:"N" help:"Most commands a second of one address, likewise; 0: any number."`
	UserOpens       float64 `default:"5" placeholder:"N" help:"Most streams a second that one user asks for, likewise; 0: any number."`
	AddressOpens    float64 `default:"50" placeholder:"N" help:"Most streams a second that one address asks for, likewise; 0: any number."`
	UserWaits       int     `default:"20" placeholder:"N" help:"Most requests of one user that wait for replies; 0: any number."`
}

// Validate says what no limit can be.
func (l *gatewayLimits) Validate() error {
	if l.UserCommands < 0 || l.AddressCommands < 0 || l.UserOpens < 0 || l.AddressOpens < 0 || l.UserWaits < 0 {
		return errors.New("--user-commands, --address-commands, --user-opens, --address-opens and --user-waits cannot be negative")
	}
	return nil
}

func (l *gatewayLimits) limits(exempt []netip.Prefix) gateway.Limits {
	return gateway.Limits{
		UserCommands: l.UserCommands, AddressCommands: l.AddressCommands,
		UserOpens: l.UserOpens, AddressOpens: l.AddressOpens,
		UserWaits: l.UserWaits, Exempt: exempt,
	}
}
