// One connection to one peer: hello, units in and out, timers. Owns the connection and nothing else.

import { raw } from 'compact-encoding'
import Protomux, { type Channel, type Message } from 'protomux'
import type { SecretStream } from 'hyperdht'
import {
  helloTimeoutMs,
  messageBytesMax,
  observerKeepAliveMs,
  observerTimeoutMs,
  protocolVersion,
  pumpBytesMax,
  stallMs,
  strangerMessageBytesMax,
  validatorKeepAliveMs,
  validatorTimeoutMs,
  windowBytes,
} from './limits.js'
import { ReceiveWindow } from './receive-window.js'
import { SendQueue } from './send-queue.js'
import {
  decodeUnit,
  encodeCredit,
  encodeGoodbye,
  encodeHello,
  encodeHelloBody,
  helloSignedBytes,
  type Hello,
  type QueueClass,
  type Role,
  type Unit,
} from './wire.js'

/** Name of the protomux channel; another version of the units would be another name. */
const channelProtocol = `wardchain/${protocolVersion}`

export interface LinkOptions {
  /** This node's own transport key, 32 bytes. */
  transportKey: Uint8Array
  ownRole: Role
  /** In the address book or dialled: may send blocks and proposals; others only what a client sends. */
  isListed: boolean
  hello(): Hello
  sign(bytes: Uint8Array): Uint8Array
  /** Ed25519, the one verifier of all replicas (network.md N8). */
  verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean
  /** Null accepts; a code refuses and is told to the peer. */
  refusal(hello: Hello): string | null
}

export interface LinkEvents {
  onOpen(link: PeerLink, hello: Hello): void
  onFrame(link: PeerLink, frame: Uint8Array, queueClass: QueueClass, release: () => void): void
  onWritable(link: PeerLink): void
  onClose(link: PeerLink, reason: string): void
}

/** Lives as long as its connection. `send` works between `onOpen` and `onClose`. */
export class PeerLink {
  readonly connection: SecretStream
  hello: Hello | null = null
  closed = false
  readonly #options: LinkOptions
  readonly #events: LinkEvents
  readonly #queue = new SendQueue()
  readonly #window: ReceiveWindow
  readonly #channel: Channel | null
  readonly #units: Message<Uint8Array> | null
  readonly #helloTimer: NodeJS.Timeout
  readonly #stallTimer: NodeJS.Timeout
  #reason = 'CONNECTION_LOST'
  #pumpScheduled = false
  #progressSinceStallCheck = true

  constructor(connection: SecretStream, options: LinkOptions, events: LinkEvents) {
    this.connection = connection
    this.#options = options
    this.#events = events
    this.#window = new ReceiveWindow(
      windowBytes,
      options.isListed ? messageBytesMax : strangerMessageBytesMax,
    )
    // Without an error listener one ECONNRESET ends the process (network.md 6).
    connection.on('error', (error: Error & { code?: string }) => {
      if (this.#reason === 'CONNECTION_LOST' && error.code) this.#reason = error.code
    })
    connection.on('close', () => this.#closed())
    connection.setKeepAlive(validatorKeepAliveMs)
    connection.setTimeout(validatorTimeoutMs)
    this.#channel = Protomux.from(connection).createChannel({
      protocol: channelProtocol,
      onclose: () => this.close('CHANNEL_CLOSED'),
      ondrain: () => this.#pump(),
    })
    this.#units =
      this.#channel?.addMessage({
        encoding: raw,
        onmessage: (bytes: Uint8Array) => this.#received(bytes),
      }) ?? null
    this.#helloTimer = setTimeout(() => {
      if (this.hello === null) this.close('HELLO_TIMEOUT')
    }, helloTimeoutMs)
    this.#stallTimer = setInterval(() => this.#checkStall(), stallMs)
    this.#helloTimer.unref()
    this.#stallTimer.unref()
    this.#sayHello()
  }

  /**
   * Hello goes out at once: hyperswarm replaces an idle old connection only if bytes have flowed
   * (network.md 6).
   */
  #sayHello(): void {
    if (this.#channel === null) return this.close('CHANNEL_REFUSED')
    this.#channel.open()
    const body = encodeHelloBody(this.#options.hello())
    const signed = helloSignedBytes(body, this.connection.handshakeHash, this.#options.transportKey)
    this.#units?.send(encodeHello(body, this.#options.sign(signed)))
  }

  get queuedBytes(): number {
    return this.#queue.queuedBytes
  }

  /** False: not up, no room. A class 0 queue that is full means a dead reader: the link is closed. */
  send(frame: Uint8Array, queueClass: QueueClass, boundBytes?: number): boolean {
    if (this.closed || this.hello === null) return false
    if (!this.#queue.offer(frame, queueClass, boundBytes)) {
      if (queueClass === 0 && boundBytes === undefined) this.close('QUEUE_OVERFLOW')
      return false
    }
    this.#schedulePump()
    return true
  }

  /** Frames of one turn leave in one corked write: 2-7 times as many small messages (network.md 5). */
  #schedulePump(): void {
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    queueMicrotask(() => {
      this.#pumpScheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    const channel = this.#channel
    const units = this.#units
    if (channel === null || units === null || this.closed || this.hello === null) return
    while (channel.drained && !this.closed) {
      let written = 0
      channel.cork()
      for (let unit = this.#queue.next(); unit !== null; unit = this.#queue.next()) {
        units.send(unit)
        written += unit.length
        if (written >= pumpBytesMax) break
      }
      channel.uncork()
      if (written === 0) break
      this.#progressSinceStallCheck = true
    }
    if (!this.closed && this.#queue.takeWritable()) this.#events.onWritable(this)
  }

  #received(bytes: Uint8Array): void {
    if (this.closed) return
    const decoded = decodeUnit(bytes)
    if (!decoded.ok) return this.close(decoded.code)
    const { unit } = decoded
    if (unit.type === 'hello') return this.#receivedHello(unit)
    if (unit.type === 'goodbye') return this.#receivedGoodbye(unit.reason)
    if (this.hello === null) return this.close('HELLO_EXPECTED')
    if (unit.type === 'credit') return this.#receivedCredit(unit.bytes)
    const received = this.#window.receive(unit)
    if (!received.ok) return this.close(received.code)
    this.#giveCredit()
    if (received.frame === null) return
    const { creditBytes, frame } = received
    let released = false
    this.#events.onFrame(this, frame, unit.queueClass, () => {
      if (released) return
      released = true
      this.#window.release(unit.queueClass, creditBytes, frame.length)
      this.#giveCredit()
    })
  }

  #receivedHello(unit: Extract<Unit, { type: 'hello' }>): void {
    if (this.hello !== null) return this.close('HELLO_TWICE')
    const { hello, signature } = unit
    if (hello.protocolVersion !== protocolVersion) return this.close('PROTOCOL_VERSION')
    const refused = this.#options.refusal(hello)
    if (refused !== null) return this.close(refused)
    const { handshakeHash, remotePublicKey } = this.connection
    const signed = helloSignedBytes(encodeHelloBody(hello), handshakeHash, remotePublicKey)
    if (!this.#options.verify(hello.nodeKey, signed, signature)) return this.close('HELLO_SIGNATURE')
    clearTimeout(this.#helloTimer)
    this.hello = hello
    if (hello.role !== 'validator' || this.#options.ownRole !== 'validator') {
      // N4: both ends know both roles, so both set the slow timers; 1,000 idle observers stay cheap.
      this.connection.setKeepAlive(observerKeepAliveMs)
      this.connection.setTimeout(observerTimeoutMs)
    }
    this.#events.onOpen(this, hello)
  }

  #receivedGoodbye(reason: string): void {
    this.#reason = `PEER_${reason}`
    this.connection.destroy()
  }

  #receivedCredit(given: readonly [number, number, number]): void {
    if (!this.#queue.grant(given)) return this.close('CREDIT_INVALID')
    this.#progressSinceStallCheck = true
    this.#pump()
  }

  #giveCredit(): void {
    if (this.closed) return
    const given = this.#window.takeCredit()
    if (given !== null) this.#units?.send(encodeCredit(given))
  }

  #checkStall(): void {
    if (this.#queue.queuedBytes > 0 && !this.#progressSinceStallCheck) return this.close('STALLED')
    this.#progressSinceStallCheck = false
  }

  /** Tells the peer why, then destroys: `end()` would leave the connection half open (network.md 6). */
  close(reason: string): void {
    if (this.closed) return
    this.#reason = reason
    if (this.#channel !== null && !this.#channel.closed) this.#units?.send(encodeGoodbye(reason))
    this.#closed()
    // One turn later, so that the goodbye has been handed to the socket.
    setImmediate(() => this.connection.destroy())
  }

  #closed(): void {
    if (this.closed) return
    this.closed = true
    clearTimeout(this.#helloTimer)
    clearInterval(this.#stallTimer)
    this.#events.onClose(this, this.#reason)
  }
}
