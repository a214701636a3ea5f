// hyperdht 6.34 ships no types. Only what consensus/net uses.

declare module 'hyperdht' {
  import type { EventEmitter } from 'node:events'
  import type SecretStream from '@hyperswarm/secret-stream'

  /** What `connect` gives; re-exported so that only hyperdht need be named. */
  export type { default as SecretStream } from '@hyperswarm/secret-stream'

  export interface NodeAddress {
    host: string
    port: number
  }

  export interface KeyPair {
    publicKey: Uint8Array
    /** 64 bytes: seed, then public key. */
    secretKey: Uint8Array
  }

  export interface ConnectOptions {
    keyPair?: KeyPair
    /** Nodes asked to forward the first handshake message; the target's own address is allowed. */
    relayAddresses?: NodeAddress[] | null
    localConnection?: boolean
  }

  export interface DhtOptions {
    port?: number
    /** Address that the two UDP sockets bind. */
    host?: string
    /** Never leave this out: undefined, null and false fall back to public nodes. */
    bootstrap: NodeAddress[]
    ephemeral?: boolean
    firewalled?: boolean
    anyPort?: boolean
    keyPair?: KeyPair
    connectionKeepAlive?: number | false
  }

  export interface ServerOptions {
    firewall?: (remotePublicKey: Uint8Array, payload: unknown) => boolean
  }

  export interface Server extends EventEmitter {
    listen(keyPair: KeyPair): Promise<void>
    close(): Promise<void>
  }

  export default class HyperDHT extends EventEmitter {
    constructor(options: DhtOptions)
    /** A node that is persistent at once; `host` is an IPv4 literal that others can reach. */
    static bootstrapper<T extends typeof HyperDHT>(
      this: T,
      port: number,
      host: string,
      options: DhtOptions,
    ): InstanceType<T>
    static keyPair(seed?: Uint8Array): KeyPair
    readonly bootstrapNodes: NodeAddress[]
    readonly ephemeral: boolean
    readonly bootstrapped: boolean
    readonly destroyed: boolean
    /** All UDX streams of this node, also those of no connection yet. */
    readonly rawStreams: { clear(): Promise<void> }
    readonly host: string | null
    readonly port: number
    /** Resolves when both UDP sockets are bound. */
    bind(): Promise<void>
    address(): NodeAddress & { family: number }
    connect(remotePublicKey: Uint8Array, options?: ConnectOptions): SecretStream
    createServer(options: ServerOptions, onConnection?: (connection: SecretStream) => void): Server
    fullyBootstrapped(): Promise<void>
    destroy(options?: { force?: boolean }): Promise<void>
  }
}
