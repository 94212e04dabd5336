package aggregate

// NewMemory is the store of a Config without one, for tests.
func NewMemory() Store { return newMemory() }
