// A gateway on loopback with a submit port that knows a few patients. Everything else is the real thing.
import { createMemoryAnswers } from './answers.js'
import { frameMessage } from './framer.js'
import { openGateway, type Gateway } from './gateway.js'
import { openMllpClient, readAck, type AckSummary, type MllpClient } from './mllp-client.js'
import type {
  AnswerStore,
  GatewayEvent,
  GatewayLimits,
  GatewayPorts,
  GatewaySource,
  MessageInbox,
  Submit,
  SubmittedMessage,
} from './ports.js'

export interface Harness {
  readonly gateway: Gateway
  readonly port: number
  /** Everything that was submitted, in order. */
  readonly submitted: SubmittedMessage[]
  readonly events: GatewayEvent[]
  readonly answers: AnswerStore
  connect: () => Promise<RawClient>
  close: () => Promise<void>
}

/** A client that also sends bytes that are no frames. */
export interface RawClient extends MllpClient {
  /** The next `count` answers, summarised. */
  acks: (count: number) => Promise<AckSummary[]>
}

export interface HarnessOptions {
  readonly source?: Partial<GatewaySource>
  readonly limits?: Partial<GatewayLimits>
  readonly submit?: Submit
  readonly answers?: AnswerStore
  readonly inbox?: MessageInbox
  readonly nowMs?: () => number
}

/** Numbers that the harness' submit port refuses as unknown patients. */
export const unknownNumber = 'NOBODY'

export async function openHarness(options: HarnessOptions = {}): Promise<Harness> {
  const submitted: SubmittedMessage[] = []
  const events: GatewayEvent[] = []
  const answers = options.answers ?? createMemoryAnswers()
  const judge: Submit = async (message) => {
    if (message.mapped.identifiers[0]?.value === unknownNumber) {
      return { kind: 'refused', code: 'UNKNOWN_PATIENT', sentence: 'No patient has this number here.' }
    }
    return { kind: 'final', height: submitted.length }
  }
  const ports: GatewayPorts = {
    submit: async (message) => {
      submitted.push(message)
      return await (options.submit ?? judge)(message)
    },
    answers,
    report: (event) => events.push(event),
    ...(options.inbox ? { inbox: options.inbox } : {}),
    ...(options.nowMs ? { nowMs: options.nowMs } : {}),
  }
  const source: GatewaySource = {
    name: 'monitor-1',
    host: '127.0.0.1',
    port: 0,
    accepts: ['ADT', 'ORU'],
    ...options.source,
  }
  const gateway = await openGateway([source], ports, options.limits)
  const port = gateway.endpoints[0]?.port ?? 0
  const clients: MllpClient[] = []
  return {
    gateway,
    port,
    submitted,
    events,
    answers,
    connect: async () => {
      const client = await openMllpClient('127.0.0.1', port, { timeoutMs: 60_000 })
      clients.push(client)
      return {
        ...client,
        acks: async (count) => {
          const summaries: AckSummary[] = []
          for (let n = 0; n < count; n += 1) summaries.push(readAck(await client.receive()))
          return summaries
        },
      }
    },
    close: async () => {
      for (const client of clients) client.close()
      await gateway.close()
    },
  }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const framed = (text: string): Uint8Array => frameMessage(bytes(text))

/** An ORU^R01 with one heart rate, in CR segments. */
export const heartRate = (controlId: string, patient = 'P1', value = '72'): string =>
  [
    `MSH|^~\\&|MON|4W|WARD|HOSP|20261122101500||ORU^R01^ORU_R01|${controlId}|P|2.5.1`,
    `PID|1||${patient}^^^H^MR||DOE^JANE`,
    'OBR|1|||85353-1^Vital signs^LN|||20261122101500+0000',
    `OBX|1|NM|8867-4^Heart rate^LN||${value}|/min|||||F|||20261122101500+0000`,
    '',
  ].join('\r')

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
