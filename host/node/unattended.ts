// How a sealed node comes back by itself. Three sources, asked in this order:
//
// - boot: a secret in the service's runtime folder, which lies in memory: it outlives a crash of the daemon
//   and dies with the power (systemd RuntimeDirectory, kept over restarts only);
// - platform: a credential that systemd hands over, sealed to this machine's TPM or host key;
// - peers: shares of a secret that other nodes keep; as many as `threshold` must give theirs.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Visitor } from '../../consensus/net/visit.js'
import { destroyKey, randomBytes, signingKeyFromSeed } from '../keys/crypto.js'
import { choicesOf, decodeAnswer, encodeAsk, encodeProbe, joinShares } from '../keys/key-shares.js'
import { openUnattended, putUnattendedSlot, StoreError, type DataKey } from '../store/index.js'
import { overwriteAndUnlink, replaceFile } from '../store/durable-file.js'
import { nodeFiles } from './node-config.js'
import type { NodeLogger } from './node-logger.js'
import { readPeerUnlock, type PeerUnlock } from './peer-unlock-file.js'

/** Where systemd puts them; both undefined when the node is run by hand. */
export interface UnattendedPlaces {
  runtimeFolder?: string
  credentialsFolder?: string
}

export const placesOf = (environment: NodeJS.ProcessEnv): UnattendedPlaces => ({
  runtimeFolder: environment.RUNTIME_DIRECTORY,
  credentialsFolder: environment.CREDENTIALS_DIRECTORY,
})

/** Name of the credential in the unit. */
export const credentialName = 'ward-unlock'

const bootFile = (folder: string): string => path.join(folder, 'boot.key')

type Peer = PeerUnlock['peers'][number]

export class UnattendedKeys {
  private readonly files: ReturnType<typeof nodeFiles>

  constructor(
    folder: string,
    private readonly places: UnattendedPlaces,
    private readonly logger: NodeLogger,
  ) {
    this.files = nodeFiles(folder)
  }

  /** Whether there is anything to wait for. */
  get isPossible(): boolean {
    return this.sources().length > 0 || existsSync(this.files.peerUnlock)
  }

  /** The data key by the first source that opens it; undefined when none does now. Never throws. */
  async open(): Promise<DataKey | undefined> {
    for (const { kind, file } of this.sources()) {
      const secret = readFileSync(file)
      const key = await this.tryKey(kind, secret)
      secret.fill(0)
      if (key) return key
    }
    return this.openByPeers()
  }

  private sources(): { kind: 'boot' | 'platform'; file: string }[] {
    const { runtimeFolder, credentialsFolder } = this.places
    const found: { kind: 'boot' | 'platform'; file: string }[] = []
    if (runtimeFolder !== undefined) found.push({ kind: 'boot', file: bootFile(runtimeFolder) })
    if (credentialsFolder !== undefined) {
      found.push({ kind: 'platform', file: path.join(credentialsFolder, credentialName) })
    }
    return found.filter(({ file }) => existsSync(file))
  }

  private async tryKey(
    kind: 'boot' | 'platform' | 'peers',
    secret: Uint8Array,
  ): Promise<DataKey | undefined> {
    try {
      const key = await openUnattended(this.files.keyslots, kind, secret)
      this.logger.info({ kind }, 'opened the store unattended')
      return key
    } catch (error) {
      const code = error instanceof StoreError ? error.code : String(error)
      this.logger.warn({ code, kind }, 'a machine secret does not open the store')
      return undefined
    }
  }

  private async openByPeers(): Promise<DataKey | undefined> {
    try {
      for (const unlock of readPeerUnlock(this.files.peerUnlock)) {
        const key = await this.openByDeal(unlock)
        if (key) return key
      }
    } catch (error) {
      this.logger.warn({ error: String(error) }, 'the peers could not be asked')
    }
    return undefined
  }

  /**
   * Nobody gives a share away before so many would that they open the store together: every release is a
   * record on the chain. As many as needed are asked, the others only when one of those gave a wrong one.
   */
  private async openByDeal(deal: PeerUnlock): Promise<DataKey | undefined> {
    const { generation, threshold, peers } = deal
    const key = signingKeyFromSeed(deal.seed)
    const book = new Map(peers.map((peer) => [peer.transportKey, { host: peer.host, port: peer.port }]))
    const visitor = new Visitor({ keyPair: key, host: deal.host, book })
    const shares: Uint8Array[] = []
    try {
      const ready = await this.readyPeers(visitor, deal)
      this.logger.info({ ready: ready.length, threshold }, 'asked which peers would give a key share')
      if (ready.length < threshold) return undefined
      for (const peer of ready) {
        const share = await this.shareOf(visitor, peer, generation)
        if (share) shares.push(share)
        const opened = share && (await this.openByShares(shares, threshold))
        if (opened) return opened
      }
      return undefined
    } finally {
      for (const share of shares) share.fill(0)
      await visitor.close().catch((error: unknown) => {
        this.logger.warn({ error: String(error) }, 'the connection to the peers does not end')
      })
      destroyKey(key)
    }
  }

  private async readyPeers(visitor: Visitor, deal: PeerUnlock): Promise<Peer[]> {
    const answers = await Promise.all(
      deal.peers.map(async (peer) => {
        const answer = await visitor.ask(peer.transportKey, encodeProbe(deal.generation))
        const said = answer && decodeAnswer(answer)
        if (said && 'refusal' in said) this.refusedBy(peer, said.refusal)
        return said && 'ready' in said ? [peer] : []
      }),
    )
    return answers.flat()
  }

  private async shareOf(visitor: Visitor, peer: Peer, generation: number): Promise<Uint8Array | undefined> {
    const answer = await visitor.ask(peer.transportKey, encodeAsk(generation))
    const said = answer && decodeAnswer(answer)
    if (said && 'refusal' in said) this.refusedBy(peer, said.refusal)
    return said && 'share' in said ? said.share : undefined
  }

  private refusedBy({ name }: Peer, why: string): void {
    this.logger.warn({ code: 'SHARE_REFUSED', peer: name, why }, 'a peer keeps its share')
  }

  /** One peer's share may be wrong; any choice of honest ones, with the newest, opens the slot. */
  private async openByShares(
    shares: readonly Uint8Array[],
    threshold: number,
  ): Promise<DataKey | undefined> {
    const newest = shares[shares.length - 1]
    for (const others of choicesOf(shares.slice(0, -1), threshold - 1)) {
      const secret = await joinShares([...others, newest])
      const key = await this.tryKey('peers', secret)
      secret.fill(0)
      if (key) return key
    }
    return undefined
  }

  /**
   * After an unlock by password under a supervisor: a fresh secret in memory lets the same boot restart the
   * daemon. Costs one derivation. Does nothing without a runtime folder.
   */
  async rememberBoot(password: Uint8Array, secondSecret?: Uint8Array): Promise<void> {
    const { runtimeFolder } = this.places
    if (runtimeFolder === undefined) return
    const secret = randomBytes(32)
    try {
      await putUnattendedSlot(this.files.keyslots, password, 'boot', secret, { secondSecret })
      mkdirSync(runtimeFolder, { recursive: true, mode: 0o700 })
      replaceFile(bootFile(runtimeFolder), secret)
    } finally {
      secret.fill(0)
    }
  }

  /** Sealed on purpose: a restart must not open it again. */
  forgetBoot(): void {
    const { runtimeFolder } = this.places
    if (runtimeFolder === undefined || !existsSync(bootFile(runtimeFolder))) return
    overwriteAndUnlink(bootFile(runtimeFolder))
  }
}
