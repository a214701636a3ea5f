// Requests of single peers to the host's services, and the answers. Bounded: few open requests a peer, one
// worked on at a time. Applicants, who may only ask for admission, are known here and nowhere else: they are
// no peers to consensus, gossip or catch-up.
import { encodeServiceFrame } from './frames.js'
import { openRequestsMax } from './limits.js'
import type { ServicePort } from './ports.js'
import type { PeerId } from './transport.js'
import type { Hello, QueueClass } from './wire.js'

export interface ServiceRequest {
  from: PeerId
  hello: Hello
  id: number
  body: Uint8Array
  /** Gives the peer its credit back. */
  release(): void
}

const nothing = new Uint8Array(0)

export class Services {
  readonly #port: ServicePort | undefined
  readonly #send: (to: PeerId, frame: Uint8Array, queueClass: QueueClass) => void
  readonly #applicants = new Map<PeerId, Hello>()
  readonly #open = new Map<PeerId, { count: number; last: Promise<void> }>()

  constructor(
    port: ServicePort | undefined,
    send: (to: PeerId, frame: Uint8Array, queueClass: QueueClass) => void,
  ) {
    this.#port = port
    this.#send = send
  }

  /** True: this peer is an applicant and stays here. */
  up(peer: PeerId, hello: Hello): boolean {
    if (this.#port?.isApplicant(peer) !== true) return false
    this.#applicants.set(peer, hello)
    return true
  }

  /** True: it was an applicant. */
  down(peer: PeerId): boolean {
    return this.#applicants.delete(peer)
  }

  applicant(peer: PeerId): Hello | undefined {
    return this.#applicants.get(peer)
  }

  /** False: this peer has asked too much at once and must go. */
  serve(request: ServiceRequest): boolean {
    const port = this.#port
    const open = this.#open.get(request.from) ?? { count: 0, last: Promise.resolve() }
    if (open.count >= openRequestsMax) return false
    if (port === undefined) {
      request.release()
      return true
    }
    open.count += 1
    open.last = open.last.then(() => this.#answer(port, request)).finally(() => this.#done(request, open))
    this.#open.set(request.from, open)
    return true
  }

  async #answer(port: ServicePort, { from, hello, id, body }: ServiceRequest): Promise<void> {
    const isApplicant = this.#applicants.has(from)
    const answer = await port.request({ peer: from, hello, isApplicant }, body).catch(() => null)
    // An empty answer is none, and closes the request at the asking side.
    this.#send(from, encodeServiceFrame('answer', id, answer ?? nothing), 2)
  }

  #done(request: ServiceRequest, open: { count: number }): void {
    request.release()
    open.count -= 1
    if (open.count === 0) this.#open.delete(request.from)
  }
}
