package ebb

import "encoding/json"

// Query asks for the latest states of a type, as one user may see them.
type Query struct {
	Type  string
	User  User
	Fresh bool // as far as the topics go now, and not only when they were first asked for

	// Resolve tells whose states to put beside the hrefs to them; no type's if nil.
	Resolve func(typ string) bool
}

// Page says which instances of a type are wanted. They are sorted by id.
type Page struct {
	After string // only ids above this one; all if empty
	Limit int    // how many at most
	Where []Condition
}

// Condition is met by a state that has Value at a place: as a string, as the
// JSON text of a number, true, false or null, or in a list of such.
type Condition struct {
	At    Pointer
	Value string
}

// Listing is a page of states.
type Listing struct {
	Items []json.RawMessage
	Next  string // the next page's After; empty if this is the last
}
