// The MLLP framer: bytes in, whole frames and discards out. It never joins a truncated frame with the next
// one, for that is how two npm libraries file one patient's values under another patient's name
// (clinical.md section 7).
//
//   frame = 0x0B (VT)  message bytes  0x1C (FS)  0x0D (CR)          HL7 v2.x appendix C, "MLLP release 1"
//
// It is a state machine over single bytes, so the way TCP cuts the stream cannot change its result, and it
// has no clock: the server tells it when a frame has been idle for too long.

export const VT = 0x0b
export const FS = 0x1c
export const CR = 0x0d

/** Largest message in bytes, framing apart (proposed in clinical.md section 7). */
export const frameBytesMax = 4 * 1024 * 1024

export type DiscardCode = 'FRAME_TRUNCATED' | 'FRAME_END_MALFORMED' | 'FRAME_TIMEOUT' | 'FRAME_TOO_LARGE'

export type FrameEvent =
  /** One whole message. */
  | { readonly kind: 'frame'; readonly bytes: Uint8Array }
  /**
   * Bytes that began as a frame and are dropped: `head` (at most `headBytesMax`) may still name the
   * message.
   */
  | { readonly kind: 'discarded'; readonly code: DiscardCode; readonly head: Uint8Array }

/** How much of a discarded frame is kept to find its control id. */
export const headBytesMax = 2048

export interface FramerCounts {
  /** Bytes outside any frame, among them a CR or LF between frames. */
  noiseBytes: number
  /** VT FS CR with nothing in it: ignored (case 8). */
  emptyFrames: number
}

export interface Framer {
  readonly counts: FramerCounts
  /** Takes the next bytes of the stream and returns what they completed, in order. Never throws. */
  push: (chunk: Uint8Array) => FrameEvent[]
  /** Ends an unfinished frame: idle for too long, or the peer closed. Undefined when outside a frame. */
  abandon: (code: 'FRAME_TIMEOUT' | 'FRAME_TRUNCATED') => FrameEvent | undefined
  /** Whether a frame has begun and not ended: the idle timeout runs only then. */
  insideFrame: () => boolean
  /** After an oversize frame nothing more is read from this connection. */
  isClosed: () => boolean
}

interface State {
  readonly bytesMax: number
  readonly counts: FramerCounts
  place: 'outside' | 'inside' | 'afterFs' | 'closed'
  /** The frame so far is buffer[0..length). */
  buffer: Uint8Array
  length: number
}

const bufferBytesInitial = 4096

/**
 * Creates the framer of one connection.
 * @param bytesMax cap on one message; one byte more gives FRAME_TOO_LARGE and closes the framer.
 * @param counts may be shared by the connections of one port.
 */
export function createFramer(
  bytesMax: number = frameBytesMax,
  counts: FramerCounts = { noiseBytes: 0, emptyFrames: 0 },
): Framer {
  const state: State = { bytesMax, counts, place: 'outside', buffer: emptyBuffer(bytesMax), length: 0 }
  const insideFrame = (): boolean => state.place === 'inside' || state.place === 'afterFs'
  return {
    counts,
    push: (chunk) => push(state, chunk),
    abandon: (code) => {
      if (!insideFrame()) return undefined
      state.place = 'outside'
      return discard(state, code)
    },
    insideFrame,
    isClosed: () => state.place === 'closed',
  }
}

function push(state: State, chunk: Uint8Array): FrameEvent[] {
  const events: FrameEvent[] = []
  let index = 0
  while (index < chunk.length && state.place !== 'closed') {
    if (state.place === 'inside') {
      index = pushInside(state, chunk, index, events)
      continue
    }
    const byte = chunk[index] ?? 0
    index += 1
    if (state.place === 'afterFs') pushAfterFs(state, byte, events)
    else if (byte === VT) state.place = 'inside'
    else state.counts.noiseBytes += 1
  }
  return events
}

// Inside a frame: takes bytes up to the next VT or FS. Returns the index of the first byte not taken.
function pushInside(state: State, chunk: Uint8Array, from: number, events: FrameEvent[]): number {
  let to = from
  while (to < chunk.length && chunk[to] !== VT && chunk[to] !== FS) to += 1
  if (!append(state, chunk.subarray(from, to))) {
    events.push(discard(state, 'FRAME_TOO_LARGE'))
    state.place = 'closed'
    return chunk.length
  }
  if (to === chunk.length) return to
  if (chunk[to] === VT) {
    // A new frame begins where the old one did not end: the old one is gone, and its sender hears so.
    events.push(discard(state, 'FRAME_TRUNCATED'))
  } else {
    state.place = 'afterFs'
  }
  return to + 1
}

function pushAfterFs(state: State, byte: number, events: FrameEvent[]): void {
  if (byte === CR) {
    completeFrame(state, events)
    state.place = 'outside'
    return
  }
  // FS is never part of a message, so whatever this was, its end is not certain.
  events.push(discard(state, 'FRAME_END_MALFORMED'))
  if (byte === VT) {
    state.place = 'inside'
  } else {
    state.place = 'outside'
    state.counts.noiseBytes += 1
  }
}

function completeFrame(state: State, events: FrameEvent[]): void {
  if (state.length === 0) state.counts.emptyFrames += 1
  else events.push({ kind: 'frame', bytes: state.buffer.slice(0, state.length) })
  state.length = 0
  // One large message must not pin megabytes for the life of the connection.
  if (state.buffer.length > 65_536) state.buffer = emptyBuffer(state.bytesMax)
}

function discard(state: State, code: DiscardCode): FrameEvent {
  const head = state.buffer.slice(0, Math.min(state.length, headBytesMax))
  state.length = 0
  return { kind: 'discarded', code, head }
}

// Appends bytes to the frame; false when the cap would be passed.
function append(state: State, bytes: Uint8Array): boolean {
  const needed = state.length + bytes.length
  if (needed > state.bytesMax) return false
  if (needed > state.buffer.length) {
    const larger = new Uint8Array(Math.min(state.bytesMax, Math.max(needed, state.buffer.length * 2)))
    larger.set(state.buffer.subarray(0, state.length))
    state.buffer = larger
  }
  state.buffer.set(bytes, state.length)
  state.length = needed
  return true
}

const emptyBuffer = (bytesMax: number): Uint8Array => new Uint8Array(Math.min(bufferBytesInitial, bytesMax))

/** Puts a message between VT and FS CR. The message must hold neither VT nor FS. */
export function frameMessage(message: Uint8Array): Uint8Array {
  if (message.includes(VT) || message.includes(FS)) {
    throw new RangeError('an HL7 message holds neither VT nor FS: escape them as \\X0B\\ and \\X1C\\')
  }
  const frame = new Uint8Array(message.length + 3)
  frame[0] = VT
  frame.set(message, 1)
  frame[message.length + 1] = FS
  frame[message.length + 2] = CR
  return frame
}
