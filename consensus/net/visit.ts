// A visit: one question and one answer over an authenticated connection between a key that is no node's and a
// running node. A sealed node asks for its key shares in this way; it has no identity yet to say hello with.

import { raw } from 'compact-encoding'
import Protomux, { type Message } from 'protomux'
import type { KeyPair, NodeAddress, SecretStream } from 'hyperdht'
import { hostMessageBytesMax, visitTimeoutMs, visitorsMax } from './limits.js'
import { createDhtNode, peerIdOf, type PinnedDHT } from './pinned-dht.js'
import { bufferKeys, destroyDht, type PeerId } from './transport.js'

const visitProtocol = 'wardchain/visit/1'

export interface VisitOptions {
  /** Ed25519 key that the visited nodes expect; secret key 64 bytes. */
  keyPair: KeyPair
  /** IPv4 literal of this machine's interface. */
  host: string
  /** Whom it may visit, by transport key; each with its fixed port. */
  book: ReadonlyMap<PeerId, NodeAddress>
}

/** Asks running nodes. Owns a DHT node on a free port until `close`. */
export class Visitor {
  readonly #dht: PinnedDHT
  readonly #keyPair: KeyPair

  /** Throws NetError BAD_OPTIONS. */
  constructor(options: VisitOptions) {
    const book = new Map(options.book)
    this.#keyPair = bufferKeys(options.keyPair)
    this.#dht = createDhtNode({ host: options.host, port: 0, bootstrap: [...book.values()], book })
  }

  /** The answer, or undefined when the peer is not there, does not know this key, or says nothing in time. */
  ask(peer: PeerId, question: Uint8Array): Promise<Uint8Array | undefined> {
    const connection = this.#dht.connect(Buffer.from(peer, 'hex'), { keyPair: this.#keyPair })
    return new Promise((resolve) => {
      const timer = setTimeout(() => connection.destroy(), visitTimeoutMs)
      connection.on('error', () => undefined)
      connection.on('close', () => {
        clearTimeout(timer)
        resolve(undefined)
      })
      const message = openVisit(connection, (answer) => {
        resolve(answer.slice(0, hostMessageBytesMax))
        connection.destroy()
      })
      message?.send(question)
    })
  }

  /** Throws NetError NOT_CLOSED. */
  async close(): Promise<void> {
    await destroyDht(this.#dht)
  }
}

/** The visited side: how many visitors are in, and for how long. */
export class Reception {
  #present = 0

  /** Answers one question; undefined says nothing. `answer` may throw: the visitor is sent away. */
  receive(
    connection: SecretStream,
    answer: (visitor: PeerId, question: Uint8Array, host: string) => Promise<Uint8Array | undefined>,
  ): void {
    connection.on('error', () => undefined)
    if (this.#present >= visitorsMax) return connection.destroy()
    this.#present += 1
    const timer = setTimeout(() => connection.destroy(), visitTimeoutMs)
    connection.on('close', () => {
      clearTimeout(timer)
      this.#present -= 1
    })
    let asked = false
    const message = openVisit(connection, (question) => {
      if (asked || question.length > hostMessageBytesMax) return connection.destroy()
      asked = true
      const host = connection.rawStream?.remoteHost ?? ''
      answer(peerIdOf(connection.remotePublicKey), question, host)
        .then((said) => (said === undefined ? connection.destroy() : message?.send(said)))
        .catch(() => connection.destroy())
    })
  }
}

function openVisit(
  connection: SecretStream,
  onmessage: (bytes: Uint8Array) => void,
): Message<Uint8Array> | undefined {
  const channel = Protomux.from(connection).createChannel({
    protocol: visitProtocol,
    onclose: () => connection.destroy(),
  })
  const message = channel?.addMessage({ encoding: raw, onmessage })
  if (channel === null || message === undefined) {
    connection.destroy()
    return undefined
  }
  channel.open()
  return message
}
