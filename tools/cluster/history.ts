// What clients were told, written down while faults happen, and compared with every node afterwards: nothing
// acknowledged may be lost, and every node tells one history.
import type { ApiClient } from '../../host/api/client.js'
import { bytesToHex, decodeBundle } from '../../runtime/protocol/index.js'
import { sha256 } from '../../host/keys/crypto.js'

export interface Acknowledged {
  id: string
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
      if (names.length > 0) await this.send(names[turn % names.length])
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  /** One transaction, written down with its outcome. */
  async send(node: string): Promise<void> {
    const bytes = this.options.bundle()
    const decoded = decodeBundle(bytes, sha256)
    if (!decoded.ok) throw new Error(decoded.code)
    const id = bytesToHex(decoded.value.signed.id)
    const sentAt = Date.now()
    try {
      const answer = await inTime(this.options.api(node).submitSigned(bytes))
      if (!answer?.ok) return void this.unanswered.push(id)
      const { height, code } = answer.value
      this.acknowledged.push({ id, height, code, sentAt, answeredAt: Date.now(), node })
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
): Promise<{ problems: string[]; places: Map<string, number> }> {
  const problems: string[] = []
  const places = new Map<string, number>()
  for (const { id, height, code } of history.acknowledged) {
    const answer = await api.transaction(id)
    if (!answer.ok) {
      problems.push(`acknowledged ${id.slice(0, 8)} at ${height} is lost: ${answer.code}`)
      continue
    }
    const { receipt } = answer.value
    places.set(id, receipt.height)
    if (receipt.height !== height || receipt.code !== code)
      problems.push(`${id.slice(0, 8)}: told ${height} ${code}, is ${receipt.height} ${receipt.code}`)
  }
  for (const id of history.unanswered) {
    const answer = await api.transaction(id)
    if (answer.ok) places.set(id, answer.value.receipt.height)
  }
  return { problems, places }
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
