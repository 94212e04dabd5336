package aggregate

import "sync"

// memory is the store for states that fit into it.
type memory struct {
	mu         sync.RWMutex
	partitions map[int32]map[string][]byte
}

func newMemory() *memory { return &memory{partitions: map[int32]map[string][]byte{}} }

func (m *memory) Get(partition int32, key string) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.partitions[partition][key], nil
}

func (m *memory) Put(partition int32, entries []Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.partitions[partition]
	if p == nil {
		p = map[string][]byte{}
		m.partitions[partition] = p
	}
	for _, e := range entries {
		if e.Value == nil {
			delete(p, e.Key)
		} else {
			p[e.Key] = e.Value
		}
	}
	return nil
}

func (m *memory) Clear(partition int32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.partitions, partition)
	return nil
}
