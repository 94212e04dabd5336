/** Cursor is a place in the channel log: the id of an event on the stream. */
export interface Cursor {
  generation: string
  partition: number
  /** offset is the last one accounted for, -1 if none. */
  offset: number
  /** epoch is the leader's when the offset was written, -1 if unknown. */
  epoch: number
  /** src names the record an event came from, empty if it is none. */
  src: string
}

// version, generation, partition, offset, epoch, src, proof
const pattern = /^1\.([\w-]{8})\.(0|[1-9]\d*)\.(-1|0|[1-9]\d*)\.(-1|0|[1-9]\d*)\.([\w-]{12})?\.([\w-]{22})?$/
const longest = 128 // bytes

/** parseCursor reads an event's id, or returns null if it is no cursor. */
export function parseCursor(id: string): Cursor | null {
  const found = id.length <= longest ? pattern.exec(id) : null
  if (!found) return null
  const [, generation = '', partition, offset, epoch, src = ''] = found
  return { generation, partition: Number(partition), offset: Number(offset), epoch: Number(epoch), src }
}

/** withoutProof drops the session's proof, which must not be kept; an id that is no cursor has none. */
export function withoutProof(id: string): string {
  return pattern.test(id) ? id.slice(0, id.lastIndexOf('.') + 1) : id
}
