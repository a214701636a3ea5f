// Peers whose hello names another epoch. They take no part here and this node takes none there: no vote,
// claim or transaction passes in either direction. One that is behind is handed the manifests of the
// recoveries (and may use services, if it is listed: a new node fetches its state so); one that is ahead is
// heard for its manifests alone. Who holds a ticket only never comes here: services.ts knows applicants
// first, for a hello says whatever epoch its sender likes.

import { encodeRecoveryFrame, type Frame } from './frames.js'
import type { RecoveryPort } from './ports.js'
import type { PeerId } from './transport.js'
import type { Hello } from './wire.js'

/** Notices taken on one connection: as many as a chain can have, with and without their proof. */
const heardMax = 128

export class OtherEpochs {
  readonly #epoch: number
  readonly #port: RecoveryPort | undefined
  readonly #send: (to: PeerId, frame: Uint8Array) => void
  readonly #peers = new Map<PeerId, { hello: Hello; heard: number }>()

  constructor(
    epoch: number,
    port: RecoveryPort | undefined,
    send: (to: PeerId, frame: Uint8Array) => void,
  ) {
    this.#epoch = epoch
    this.#port = port
    this.#send = send
  }

  /** True: this peer is of another epoch and stays here. */
  up(peer: PeerId, hello: Hello): boolean {
    if (hello.epoch === this.#epoch) return false
    this.#peers.set(peer, { hello, heard: 0 })
    if (hello.epoch > this.#epoch) return true
    this.#tell([peer])
    return true
  }

  /** The first block of this epoch is final: who is behind is shown it. */
  announce(): void {
    const behind = [...this.#peers].filter(([, { hello }]) => hello.epoch < this.#epoch)
    this.#tell(behind.map(([peer]) => peer))
  }

  #tell(peers: readonly PeerId[]): void {
    const send = (notices: readonly Uint8Array[]): void => {
      for (const peer of peers)
        if (this.#peers.has(peer))
          for (const notice of notices) this.#send(peer, encodeRecoveryFrame(notice))
    }
    // A failed executor has been reported by the host already.
    if (peers.length > 0) this.#port?.notices().then(send, () => undefined)
  }

  /** True: it was one of them. */
  down(peer: PeerId): boolean {
    return this.#peers.delete(peer)
  }

  has(peer: PeerId): boolean {
    return this.#peers.has(peer)
  }

  /** Its hello, if it is behind and may therefore ask for services. */
  behind(peer: PeerId): Hello | undefined {
    const hello = this.#peers.get(peer)?.hello
    return hello !== undefined && hello.epoch < this.#epoch ? hello : undefined
  }

  onFrame(from: PeerId, frame: Frame): void {
    const entry = this.#peers.get(from)
    if (entry === undefined || frame.kind !== 'recovery' || entry.hello.epoch < this.#epoch) return
    entry.heard += 1
    if (entry.heard <= heardMax) this.#port?.heard(frame.body, from)
  }
}
