/** The SharedWorker that holds the one stream of all tabs of a user. */
import { Stream } from '../stream.js'
import { eventSource } from '../transport.js'
import { serve } from './serve.js'

const { locks } = navigator as Partial<Navigator>
serve(globalThis as never, locks, (...of) => new Stream(...of, eventSource))
