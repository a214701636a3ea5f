// Simulated clients: they send, send again, read at any replica, and write down what they were told (F40).
// What they wrote is judged by history.ts against the final order.

import { fired, isOn } from './faults.js'
import { checkHistory, type HistoryEvent } from './history.js'
import { after, SimFailure, type SimNode, type World } from './world.js'
import type { Outcome } from './app.js'
import type { Replayed } from './ledger-checker.js'

export interface ClientLog {
  readonly events: HistoryEvent[]
  /** Unanswered operations → slots that were asked. */
  readonly open: Map<number, Set<number>>
  /** Client → highest height that it has seen: it takes no answer from before. */
  readonly seen: Map<string, number>
  /** Linearizable reads that were answered (linear-reads.ts). */
  linearizable: number
}

export const createClientLog = (): ClientLog => ({
  ...{ events: [], open: new Map(), seen: new Map(), linearizable: 0 },
})

const clientOf = (id: number): string => `client ${id % 5}`
const readEveryMs = 150

export function noteInvoked(world: World, id: number, targets: readonly SimNode[]): void {
  const { events, open } = world.clients
  const asked = open.get(id)
  if (asked !== undefined) for (const { slot } of targets) asked.add(slot)
  if (asked !== undefined || world.acknowledged.has(id)) return
  open.set(id, new Set(targets.map(({ slot }) => slot)))
  events.push({ event: 'invoked', operation: String(id), client: clientOf(id), at: world.now })
}

/** A replica has a block on disk: it answers the clients that asked it. */
export function answerClients(world: World, node: SimNode, outcome: Outcome): void {
  if (!node.isCorrect) return
  outcome.receipts.forEach(({ id, status, credit }, position) => {
    if (world.clients.open.get(id)?.has(node.slot) !== true) return
    world.clients.open.delete(id)
    const client = clientOf(id)
    const { height } = outcome.state
    const answer = `${status}/${credit}`
    saw(world, client, height)
    const told = { operation: String(id), client, at: world.now, height, position, answer }
    world.clients.events.push({ event: 'returned', ...told })
  })
}

function saw(world: World, client: string, height: number): void {
  const { seen } = world.clients
  seen.set(client, Math.max(height, seen.get(client) ?? 0))
}

/** The order, replayed by the checker. */
export function noteBlock(world: World, height: number, replayed: readonly Replayed[]): void {
  const operations = replayed.map(({ id, answer }) => ({ operation: String(id), answer }))
  const values = Object.fromEntries(
    replayed.map(({ owner, answer }) => [`account ${owner}`, answer.slice(answer.indexOf('/') + 1)]),
  )
  world.clients.events.push({ event: 'block', height, operations, values })
}

/** Reads at any correct replica that runs; one that is behind what the client has seen is passed over. */
export function scheduleReads(world: World): void {
  const read = () => {
    const { random, clients } = world
    const node = random.pick(world.nodes)
    const client = clientOf(random.below(5))
    const owner = random.below(8)
    const { height, accounts } = node.app
    if (node.core !== null && node.isCorrect && height > 0) {
      if (height < (clients.seen.get(client) ?? 0)) {
        if (isOn(world.plan, 'F40')) fired(world.plan, 'F40')
      } else {
        saw(world, client, height)
        const answer = String(accounts[owner].credit)
        clients.events.push({
          event: 'read',
          client,
          at: world.now,
          key: `account ${owner}`,
          height,
          answer,
        })
      }
    }
    after(world, readEveryMs, read)
  }
  after(world, readEveryMs, read)
}

/** S10 and real-time order, from the clients' side. */
export function checkClients(world: World): void {
  const [fault] = checkHistory(world.clients.events)
  if (fault !== undefined) throw new SimFailure('CLIENTS', fault)
}
