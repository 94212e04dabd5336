// Package ebb holds what travels on the topics of an event-driven system:
// records, commands, events and replies, the user they belong to, the fields
// that are reserved, and who may do what.
//
// # The system
//
// Commands flow in, events ebb back. A browser sends a command and is answered
// 202 once Kafka has it; its effect comes back on a Server-Sent-Events stream.
// Every step of the round trip has a folder:
//
//	 1  the browser opens GET <api>/sse and is authenticated    gateway
//	 2  it is redirected, its user sealed into a ticket         gateway
//	 3  it connects to the edge                                 edge
//	 4  the edge asks the set-up endpoint, signed               edge, gateway
//	 5  the gateway opens the ticket and names the channel      gateway
//	 6  the edge completes the stream and holds it              edge
//	 7  the browser posts a command                             gateway
//	 8  the gateway puts it on the command topic; 202           gateway
//	 9  a service executes it on the aggregate instance         aggregate
//	10  its effect goes out as event, state and reply           aggregate
//	11  the reply is carried to the channel of its user         connector
//	12  the edge sends it down the stream                       edge
//
// Folders at the top are boxes (parts that run: gateway, view, edge,
// connector, aggregate) and arrows (what travels between them: this package,
// sse, grip, channel). Boxes import arrows, never each other, and never a
// broker's client: package kafka alone knows that one, and satisfies the small
// interfaces that boxes declare. cmd/ebb and dev put boxes together.
//
// # The promise
//
// Nothing lost, nothing twice, in order, through every cut. A stream's cursor
// is a position in one totally ordered log, the channel log; whatever lies
// after it is sent, or the stream says ebb.reset first.
//
// docs/design.md tells the rest.
package ebb
