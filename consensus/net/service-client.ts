// The asking side of services: a transport without consensus, for a node that is not a member of anything
// yet or has no state. Its peers' other frames are dropped unread.
import { Asks } from './asks.js'
import { decodeFrame } from './frames.js'
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

const reasonsMax = 32

/** Throws as `createTransport` does. */
export async function createServiceClient(options: TransportOptions): Promise<ServiceClient> {
  const peers = new Map<PeerId, Hello>()
  const reasons: { peer: PeerId; reason: string }[] = []
  const arrivals = new Set<() => void>()
  const asks = new Asks((to, frame) => transport.send(to, frame, 0))
  const transport: Transport = await createTransport(options, {
    onPeer(peer, up, hello) {
      if (up) peers.set(peer, hello)
      else peers.delete(peer)
      if (!up) asks.down(peer)
      if (up) for (const arrived of arrivals) arrived()
    },
    onFrame(from, frame, _queueClass, release) {
      const decoded = decodeFrame(frame)
      release()
      if (decoded.ok && decoded.frame.kind === 'answer')
        asks.answered(from, decoded.frame.id, decoded.frame.body)
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
    request: (to, body, timeoutMs) => asks.ask(to, body, timeoutMs),
    waitForPeer: (timeoutMs) => (peers.size > 0 ? Promise.resolve(true) : nextArrival(arrivals, timeoutMs)),
    close: async () => {
      asks.close()
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
