// What clients were told, written down while faults happen, and compared with every node afterwards: nothing
// acknowledged may be lost, and every node tells one history.
import type { HistoryEvent } from '../../consensus/sim/history.js'
import type { ApiClient } from '../../host/api/client.js'
import { bytesToHex, decodeBundle } from '../../runtime/protocol/index.js'
import { sha256 } from '../../host/keys/crypto.js'

export interface Acknowledged {
  id: string
  client: string
  /** What the client was told: the block of its transaction. */
  height: number
  code: string
  /** The client's clock, ms. */
  sentAt: number
  answeredAt: number
  node: string
}

/** Sends without pause from a few clients, each to any node that it may try, until it is told to stop. */
export class ClientHistory {
  readonly acknowledged: Acknowledged[] = []
  /** Everything that was sent, answered or not. */
  readonly invoked: { id: string; client: string; sentAt: number }[] = []
  /** Sent and not answered in time: may or may not have become final. */
  readonly unanswered: string[] = []
  private stopped = false
  private readonly running: Promise<void>[]

  constructor(
    private readonly options: {
      clients: number
      /** Nodes that may be asked now. */
      nodes: () => readonly string[]
      api: (node: string) => ApiClient
      bundle: () => Uint8Array
      pauseMs: number
    },
  ) {
    this.running = Array.from({ length: options.clients }, (_, index) => this.run(index))
  }

  private async run(index: number): Promise<void> {
    const { nodes, pauseMs } = this.options
    for (let turn = index; !this.stopped; turn += 1) {
      const names = nodes()
      if (names.length > 0) await this.send(names[turn % names.length], `client ${index}`)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  /** One transaction, written down with its outcome. */
  async send(node: string, client = 'the test'): Promise<void> {
    const bytes = this.options.bundle()
    const decoded = decodeBundle(bytes, sha256)
    if (!decoded.ok) throw new Error(decoded.code)
    const id = bytesToHex(decoded.value.signed.id)
    const sentAt = Date.now()
    this.invoked.push({ id, client, sentAt })
    try {
      const answer = await inTime(this.options.api(node).submitSigned(bytes))
      if (!answer?.ok) return void this.unanswered.push(id)
      const { height, code } = answer.value
      this.acknowledged.push({ id, client, height, code, sentAt, answeredAt: Date.now(), node })
    } catch {
      // The node died or hung up: the client does not know.
      this.unanswered.push(id)
    }
  }

  async stop(): Promise<void> {
    this.stopped = true
    await Promise.all(this.running)
  }
}

/** A frozen node keeps its connections open and never answers: its client gives up. */
async function inTime<T>(answer: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), patienceMs)
  })
  try {
    return await Promise.race([answer, patience])
  } finally {
    clearTimeout(timer)
  }
}
const patienceMs = 12_000

/**
 * Asks one node for everything that anybody was told, and for what nobody was told of. Gives what is wrong,
 * in words; two nodes that agree give `places` that are equal.
 */
export async function compareWith(
  api: ApiClient,
  history: ClientHistory,
): Promise<{ problems: string[]; places: Map<string, number>; codes: Map<string, string> }> {
  const problems: string[] = []
  const places = new Map<string, number>()
  const codes = new Map<string, string>()
  for (const { id, height, code } of history.acknowledged) {
    const answer = await api.transaction(id)
    if (!answer.ok) {
      problems.push(`acknowledged ${id.slice(0, 8)} at ${height} is lost: ${answer.code}`)
      continue
    }
    const { receipt } = answer.value
    places.set(id, receipt.height)
    codes.set(id, receipt.code)
    if (receipt.height !== height || receipt.code !== code)
      problems.push(`${id.slice(0, 8)}: told ${height} ${code}, is ${receipt.height} ${receipt.code}`)
  }
  for (const id of history.unanswered) {
    const answer = await api.transaction(id)
    if (!answer.ok) continue
    places.set(id, answer.value.receipt.height)
    codes.set(id, answer.value.receipt.code)
  }
  return { problems, places, codes }
}

/**
 * The same history for the checker of the simulator (consensus/sim/history.ts), with the order that one node
 * tells. Where in its block a transaction is, nobody is told; who was answered before another one was sent is
 * in an earlier block.
 */
export function eventsOf(
  { invoked, acknowledged }: Pick<ClientHistory, 'invoked' | 'acknowledged'>,
  { places, codes }: { places: ReadonlyMap<string, number>; codes: ReadonlyMap<string, string> },
): HistoryEvent[] {
  const blocks = new Map<number, { operation: string; answer: string }[]>()
  for (const [operation, height] of places) {
    const block = blocks.get(height) ?? []
    blocks.set(height, block)
    block.push({ operation, answer: codes.get(operation) ?? '' })
  }
  return [
    ...invoked.map(({ id, client, sentAt }): HistoryEvent => {
      return { event: 'invoked', operation: id, client, at: sentAt }
    }),
    ...acknowledged.map(({ id, client, height, code, answeredAt }): HistoryEvent => {
      const told = { height, position: null, answer: code }
      return { event: 'returned', operation: id, client, at: answeredAt, ...told }
    }),
    ...[...blocks]
      .sort(([left], [right]) => left - right)
      .map(([height, operations]): HistoryEvent => ({ event: 'block', height, operations, values: {} })),
  ]
}

/** If one answer came before another transaction was sent, its block is earlier: the block was final. */
export function orderProblems(acknowledged: readonly Acknowledged[]): string[] {
  const problems: string[] = []
  const answers = [...acknowledged].sort((left, right) => left.answeredAt - right.answeredAt)
  const sent = [...acknowledged].sort((left, right) => left.sentAt - right.sentAt)
  let [next, highest] = [0, 0]
  for (const entry of sent) {
    while (next < answers.length && answers[next].answeredAt < entry.sentAt) {
      highest = Math.max(highest, answers[next].height)
      next += 1
    }
    if (entry.height <= highest)
      problems.push(
        `${entry.id.slice(0, 8)} is in block ${entry.height}, sent after an answer of ${highest}`,
      )
  }
  return problems
}
