// hyperswarm 4.17 ships no types. Only what consensus/net uses.

declare module 'hyperswarm' {
  import type { EventEmitter } from 'node:events'
  import type HyperDHT from 'hyperdht'
  import type { KeyPair } from 'hyperdht'
  import type SecretStream from '@hyperswarm/secret-stream'

  export interface PeerInfo {
    readonly publicKey: Uint8Array
    readonly attempts: number
    readonly banned: boolean
    readonly explicit: boolean
    ban(banned: boolean): void
  }

  export interface SwarmOptions {
    dht: HyperDHT
    keyPair: KeyPair
    maxPeers?: number
    maxParallel?: number
    /** Four delays in milliseconds; not in the package's README. */
    backoffs?: number[]
    jitter?: number
    /** True refuses the key. */
    firewall?: (remotePublicKey: Uint8Array, payload: unknown) => boolean
  }

  export default class Hyperswarm extends EventEmitter {
    constructor(options: SwarmOptions)
    readonly dht: HyperDHT
    readonly keyPair: KeyPair
    readonly connections: Set<SecretStream>
    /** By hex of the public key. */
    readonly peers: Map<string, PeerInfo>
    readonly destroyed: boolean
    on(event: 'connection', listener: (connection: SecretStream, info: PeerInfo) => void): this
    on(event: 'ban', listener: (info: PeerInfo, error: Error) => void): this
    on(event: 'update', listener: () => void): this
    joinPeer(publicKey: Uint8Array): void
    leavePeer(publicKey: Uint8Array): void
    listen(): Promise<void>
    flush(): Promise<boolean>
    destroy(options?: { force?: boolean }): Promise<void>
  }
}
