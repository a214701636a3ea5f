// @hyperswarm/secret-stream 6.9 ships no types. Only what consensus/net uses.

declare module '@hyperswarm/secret-stream' {
  import type { EventEmitter } from 'node:events'

  /** The UDX stream below the encryption; figures for metrics only. */
  export interface RawStream {
    readonly remoteHost: string
    readonly remotePort: number
    readonly rtt: number
    readonly cwnd: number
    readonly inflight: number
    readonly retransmits: number
    readonly rtoCount: number
    destroy(error?: Error): void
  }

  /** An encrypted, ordered byte-frame stream between two Ed25519 transport keys. */
  export default class SecretStream extends EventEmitter {
    readonly publicKey: Uint8Array
    readonly remotePublicKey: Uint8Array
    readonly handshakeHash: Uint8Array
    readonly isInitiator: boolean
    readonly rawBytesRead: number
    readonly rawBytesWritten: number
    readonly rawStream: RawStream | null
    readonly opened: Promise<boolean>
    readonly connected: boolean
    readonly destroying: boolean
    readonly destroyed: boolean
    setKeepAlive(milliseconds: number): void
    setTimeout(milliseconds: number): void
    sendKeepAlive(): void
    write(bytes: Uint8Array): boolean
    end(): void
    pause(): void
    resume(): void
    destroy(error?: Error): void
  }
}
