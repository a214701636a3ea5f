// The asking side of services: a transport without consensus, for a node that is not a member of anything
// yet or has no state. Its peers' other frames are dropped unread.
import { decodeFrame, encodeServiceFrame } from './frames.js'
import { createTransport, type PeerId, type Transport, type TransportOptions } from './transport.js'
import type { Hello } from './wire.js'

export interface ServiceClient {
  /** Connected now, with what their hello says. */
  peers(): { peer: PeerId; hello: Hello }[]
  /** Null: no answer in time, or the peer went away. */
  request(to: PeerId, body: Uint8Array, timeoutMs: number): Promise<Uint8Array | null>
  /** Resolves with true as soon as a peer is there, with false after the time. */
  waitForPeer(timeoutMs: number): Promise<boolean>
  /** Why connections ended, newest last, at most 32. */
  closedReasons(): readonly { peer: PeerId; reason: string }[]
  close(): Promise<void>
}

interface Waiting {
  peer: PeerId
  done(answer: Uint8Array | null): void
}

const reasonsMax = 32

/** Throws as `createTransport` does. */
export async function createServiceClient(options: TransportOptions): Promise<ServiceClient> {
  const peers = new Map<PeerId, Hello>()
  const waiting = new Map<number, Waiting>()
  const reasons: { peer: PeerId; reason: string }[] = []
  const arrivals = new Set<() => void>()
  let nextId = 1
  const transport: Transport = await createTransport(options, {
    onPeer(peer, up, hello) {
      if (up) peers.set(peer, hello)
      else peers.delete(peer)
      for (const [id, entry] of up ? [] : waiting) {
        if (entry.peer !== peer) continue
        waiting.delete(id)
        entry.done(null)
      }
      if (up) for (const arrived of arrivals) arrived()
    },
    onFrame(from, frame, _queueClass, release) {
      const decoded = decodeFrame(frame)
      release()
      if (!decoded.ok || decoded.frame.kind !== 'answer') return
      const entry = waiting.get(decoded.frame.id)
      if (entry?.peer !== from) return
      waiting.delete(decoded.frame.id)
      entry.done(decoded.frame.body)
    },
    onWritable: () => undefined,
    onClosed(peer, reason) {
      reasons.push({ peer, reason })
      if (reasons.length > reasonsMax) reasons.shift()
    },
  })
  return {
    peers: () => [...peers].map(([peer, hello]) => ({ peer, hello })),
    closedReasons: () => reasons,
    request: (to, body, timeoutMs) =>
      new Promise((resolve) => {
        const id = nextId
        nextId = (nextId + 1) >>> 0
        const timer = setTimeout(() => {
          waiting.delete(id)
          resolve(null)
        }, timeoutMs)
        const done = (answer: Uint8Array | null): void => {
          clearTimeout(timer)
          resolve(answer)
        }
        waiting.set(id, { peer: to, done })
        if (transport.send(to, encodeServiceFrame('request', id, body), 0)) return
        waiting.delete(id)
        done(null)
      }),
    waitForPeer: (timeoutMs) => (peers.size > 0 ? Promise.resolve(true) : nextArrival(arrivals, timeoutMs)),
    close: async () => {
      for (const entry of waiting.values()) entry.done(null)
      waiting.clear()
      await transport.close()
    },
  }
}

function nextArrival(arrivals: Set<() => void>, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (there: boolean): void => {
      arrivals.delete(arrived)
      clearTimeout(timer)
      resolve(there)
    }
    const arrived = (): void => end(true)
    const timer = setTimeout(() => end(false), timeoutMs)
    arrivals.add(arrived)
  })
}
