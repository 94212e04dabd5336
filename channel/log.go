package channel

// Log is one life of the channel log.
type Log struct {
	Generation Generation
	Partitions int32
}

// Batch is the next part of one partition, as its reader sees it.
type Batch struct {
	Log
	Partition int32
	Start     int64   // the oldest offset that the log still has
	High      int64   // the high watermark: one more than the newest offset
	Epoch     int32   // the leader's now, -1 if unknown
	Entries   []Entry // in order
	Next      int64   // the offset to read next; all below it have been handed over
}

// Bounds is what a leader says about one partition and one cursor.
type Bounds struct {
	Start    int64 // the oldest offset that the log still has
	High     int64 // the high watermark
	EpochEnd int64 // where the cursor's leader epoch ended; -1 if that is unknown
}
