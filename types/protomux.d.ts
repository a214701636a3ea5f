// protomux 3.12 ships no types. Only what consensus/net uses.

declare module 'protomux' {
  import type { Encoder } from 'compact-encoding'
  import type SecretStream from '@hyperswarm/secret-stream'

  export interface MessageOptions<T> {
    encoding: Encoder<T>
    onmessage(message: T): void
  }

  export interface Message<T> {
    /** False: the stream is above its mark. While corked it is always true: read `drained` afterwards. */
    send(message: T): boolean
  }

  export interface Channel {
    readonly opened: boolean
    readonly closed: boolean
    readonly drained: boolean
    addMessage<T>(options: MessageOptions<T>): Message<T>
    open(): void
    close(): void
    cork(): void
    uncork(): void
  }

  export interface ChannelOptions {
    protocol: string
    id?: Uint8Array | null
    unique?: boolean
    onopen?: () => void
    onclose?: () => void
    ondrain?: () => void
  }

  export default class Protomux {
    static from(stream: SecretStream): Protomux
    /** Null when the stream is closed or the protocol is already open on it. */
    createChannel(options: ChannelOptions): Channel | null
    cork(): void
    uncork(): void
  }
}
