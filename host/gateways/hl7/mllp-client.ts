// A small MLLP client: what the story, the tools and the outgoing orders send with.
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { GatewayError } from './codes.js'
import { createFramer, frameMessage } from './framer.js'
import { parseMessage, valueAt } from './tokenizer.js'

export interface MllpClientOptions {
  /** Longest wait for the connection and for each answer. Default 10,000. */
  readonly timeoutMs?: number
  /** Node's TLS options (`ca`, `cert`, `key`, `servername`); plain TCP without them. */
  readonly tls?: ConnectionOptions
}

export interface MllpClient {
  /** Sends one message in a frame of its own. */
  send: (message: Uint8Array) => Promise<void>
  /** Sends bytes as they are: for tests and for tools that try what a port does with broken frames. */
  sendRaw: (bytes: Uint8Array) => Promise<void>
  /** Ends the sending side; answers can still be received. */
  end: () => void
  /** The next answer. In enhanced mode CA comes first and AA second. */
  receive: () => Promise<Uint8Array>
  close: () => void
}

/**
 * Sends one message and returns the first answer, framing removed.
 * Throws GatewayError: MLLP_CONNECT_FAILED, MLLP_TIMEOUT, MLLP_CLOSED (before an answer came),
 * MLLP_ANSWER_MALFORMED.
 */
export async function sendMllp(
  host: string,
  port: number,
  message: Uint8Array,
  options: MllpClientOptions = {},
): Promise<Uint8Array> {
  const client = await openMllpClient(host, port, options)
  try {
    await client.send(message)
    return await client.receive()
  } finally {
    client.close()
  }
}

/** Opens a connection. Throws GatewayError MLLP_CONNECT_FAILED or MLLP_TIMEOUT. */
export async function openMllpClient(
  host: string,
  port: number,
  options: MllpClientOptions = {},
): Promise<MllpClient> {
  const timeoutMs = options.timeoutMs ?? 10_000
  const place = `${host} port ${port}`
  const socket = await connected(host, port, options, timeoutMs, place)
  const framer = createFramer()
  const answers: Uint8Array[] = []
  let failure: GatewayError | undefined
  let wake: () => void = () => undefined

  const fail = (code: string, message: string, cause?: unknown): void => {
    failure ??= new GatewayError(code, message, cause)
    wake()
  }
  socket.on('data', (chunk: Buffer) => {
    for (const event of framer.push(chunk)) {
      if (event.kind === 'frame') answers.push(event.bytes)
      else fail('MLLP_ANSWER_MALFORMED', `${place} sent a broken frame (${event.code})`)
    }
    wake()
  })
  socket.on('error', (cause) => fail('MLLP_CLOSED', `the connection to ${place} broke`, cause))
  socket.on('close', () => fail('MLLP_CLOSED', `${place} closed the connection before it answered`))

  const sendRaw = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      socket.write(bytes, (cause) => {
        if (cause) reject(new GatewayError('MLLP_CLOSED', `the connection to ${place} broke`, cause))
        else resolve()
      })
    })

  return {
    send: (message) => sendRaw(frameMessage(message)),
    sendRaw,
    end: () => socket.end(),
    receive: async () => {
      const timer = setTimeout(() => {
        fail('MLLP_TIMEOUT', `${place} did not answer within ${timeoutMs} ms`)
      }, timeoutMs)
      try {
        for (;;) {
          // Answers that arrived before the connection broke are still answers.
          const answer = answers.shift()
          if (answer !== undefined) return answer
          if (failure !== undefined) throw failure
          await new Promise<void>((resolve) => (wake = resolve))
        }
      } finally {
        clearTimeout(timer)
      }
    },
    close: () => socket.destroy(),
  }
}

async function connected(
  host: string,
  port: number,
  options: MllpClientOptions,
  timeoutMs: number,
  place: string,
): Promise<Socket> {
  const { tls } = options
  const socket = tls === undefined ? connect({ host, port }) : connectTls({ host, port, ...tls })
  const timer = setTimeout(() => {
    socket.destroy(new GatewayError('MLLP_TIMEOUT', `${place} did not accept within ${timeoutMs} ms`))
  }, timeoutMs)
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once(tls === undefined ? 'connect' : 'secureConnect', () => resolve())
      socket.once('error', reject)
    })
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause
    throw new GatewayError('MLLP_CONNECT_FAILED', `cannot connect to ${place}`, cause)
  } finally {
    clearTimeout(timer)
  }
  socket.setNoDelay(true)
  return socket
}

/** What an acknowledgement says. */
export interface AckSummary {
  /** MSA-1: AA, AE, AR, CA, CE or CR; '' when the answer is no acknowledgement. */
  readonly code: string
  /** MSA-2: the control id that it answers. */
  readonly controlId: string
  /** ERR-8, or MSA-3. */
  readonly sentence: string
  /** ERR-5, one of `hl7Codes`; '' when there is no ERR segment. */
  readonly reason: string
  /** ERR-2 as sent, such as PID^1^3^1. */
  readonly location: string
}

/** Reads an acknowledgement; every field is '' where it says nothing. */
export function readAck(answer: Uint8Array): AckSummary {
  const parsed = parseMessage(answer)
  if (!parsed.ok) return { code: '', controlId: '', sentence: '', reason: '', location: '' }
  const { message } = parsed
  const msa = message.segments.find((segment) => segment.name === 'MSA')
  const err = message.segments.find((segment) => segment.name === 'ERR')
  const field = (segment: typeof msa, index: number): string =>
    segment ? valueAt(message, segment, index) : ''
  return {
    code: field(msa, 1),
    controlId: field(msa, 2),
    sentence: field(err, 8) || field(msa, 3),
    reason: field(err, 5),
    location: err?.fields[2] ?? '',
  }
}
