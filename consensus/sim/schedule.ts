// When faults strike: every switch that is on gets its own recurring cause.

import { equalBytes } from '../../runtime/protocol/bytes.js'
import { fired, isOn, type FaultId } from './faults.js'
import { cut, heal, reconnect } from './network.js'
import { noteInvoked } from './clients.js'
import { carry } from './delivery.js'
import { isPowerMissed } from './effects.js'
import { crashNode, deliver, startNode, waitingOf } from './node.js'
import { rejoinBySnapshot } from './snapshots.js'
import type { WireMessage } from '../pbft/types.js'
import { transactionKinds, type SimMember, type SimTransaction } from './app.js'
import { after, clockOf, trace, type SimNode, type World } from './world.js'

/** Runs `strike` again and again while faults last, if the switch is on. */
function recurring(world: World, id: FaultId, meanMs: number, strike: () => void): void {
  if (!isOn(world.plan, id)) return
  const next = (waitMs: number) =>
    after(world, world.random.exponential(waitMs), () => {
      if (!world.isFaulty) return
      strike()
      next(meanMs)
    })
  // The first one comes early, so that short runs see it too.
  next(meanMs / 4)
}

export function scheduleFaults(world: World): void {
  const { random, plan } = world
  const slots = world.nodes.map((node) => node.slot)
  recurring(world, 'F2', 4_000, () => partition(world, slots))
  recurring(world, 'F3', 8_000, () => {
    const { slow, uplinks } = world.network
    if (random.chance(0.5)) slow.set(random.pick(slots), random.between(500, 2_000))
    else uplinks.set(random.pick(slots), { bytesPerMs: random.between(5, 100), busyUntil: 0 })
    after(world, random.between(500, 3_000), () => {
      slow.clear()
      uplinks.clear()
    })
  })
  recurring(world, 'F4', 6_000, () => {
    // One side believes in the connection: everything it sends is lost until it notices.
    cut(world.network, [random.pick(slots)], [random.pick(slots)], true, 'F4')
    after(world, random.between(1_000, 4_000), () => heal(world.network))
  })
  recurring(world, 'F6', 1_500, () => {
    // One connection, or all that a node has.
    const [from, to] = [random.pick(slots), random.pick(slots)]
    for (const other of random.chance(0.5) ? [to] : slots) reconnect(world.network, from, other)
  })
  recurring(world, 'F13', 5_000, () => {
    const node = random.pick(world.nodes)
    if (node.core !== null) fired(plan, 'F13')
    bounce(world, node, random.exponential(2_000))
  })
  recurring(world, 'F19', 12_000, () => {
    if (isPowerMissed(world)) fired(plan, 'F19')
    for (const node of world.nodes) bounce(world, node, random.between(100, 1_500))
  })
  recurring(world, 'F14', 9_000, () => {
    random.pick(world.nodes).diskFails = 'F14'
  })
  recurring(world, 'F17', 10_000, () => {
    const node = random.pick(world.nodes)
    // Somebody has to enlarge the store, or to restart the node that leaked reader slots.
    if (random.chance(0.5)) node.storeFullUntil = world.now + random.between(500, 4_000)
    else node.readsFail = true
  })
  recurring(world, 'F36', 6_000, () => {
    const observers = world.nodes.filter(({ index }) => index >= world.options.validators)
    // A member, however young, has signed something: it never comes back without its record.
    const idle = observers.filter((node) => node.app.afterNext.every(({ index }) => index !== node.index))
    if (idle.length > 0) rejoinBySnapshot(world, random.pick(idle))
  })
  recurring(world, 'F16', 15_000, () => {
    random.pick(world.nodes).diskFails = 'F16'
  })
  scheduleClocks(world)
  scheduleReplay(world)
}

function bounce(world: World, node: SimNode, downMs: number): void {
  crashNode(world, node)
  after(world, downMs, () => startNode(world, node))
}

type Cut = (world: World, mixed: readonly number[]) => void

const half = (mixed: readonly number[]) => Math.floor(mixed.length / 2)

/** Kinds of partitions; each gets the slots in random order. */
const partitions: readonly Cut[] = [
  /** Split, in both directions or one. */
  ({ network, random }, mixed) => {
    const size = random.between(1, mixed.length - 1)
    cut(network, mixed.slice(0, size), mixed.slice(size), random.chance(0.5))
  },
  /** Bridge: two halves that only one node joins. */
  ({ network }, [, ...rest]) => cut(network, rest.slice(0, half(rest)), rest.slice(half(rest)), false),
  /** Swizzle: links clogged one by one, freed together. */
  ({ network, random }, mixed) => {
    for (let count = 0; count < mixed.length; count += 1) {
      cut(network, [random.pick(mixed)], [random.pick(mixed)], true)
    }
  },
  /** Whoever leads just now hears nobody, is heard by nobody, or both. */
  ({ network, random, nodes }, mixed) => {
    const core = nodes[random.below(nodes.length)].core
    if (core === null || core.order.length === 0) return
    const { entity } = core.validators.members[core.order[core.view % core.order.length]]
    const leaders = nodes.filter((node) => equalBytes(node.entity, entity)).map(({ slot }) => slot)
    const others = mixed.filter((slot) => !leaders.includes(slot))
    if (random.chance(0.5)) cut(network, leaders, others, random.chance(0.5))
    else cut(network, others, leaders, random.chance(0.5))
  },
  /** Majority ring: everybody sees a majority, and everybody another one. */
  ({ network }, mixed) => {
    const reach = Math.floor((half(mixed) + 1) / 2)
    mixed.forEach((slot, at) => {
      const far = mixed.filter((_, other) => {
        const apart = Math.abs(other - at)
        return Math.min(apart, mixed.length - apart) > reach
      })
      cut(network, [slot], far, false)
    })
  },
  /** Per view; in long runs until timeouts have reached their cap. */
  (world) => {
    const { random, network, options, now } = world
    const lengthMs = options.faultMs > 30_000 ? random.between(15_000, 25_000) : random.between(500, 6_000)
    const kind = random.pick(['split', 'muted', 'hidden'] as const)
    const [salt, members] = [random.below(2 ** 16), options.validators]
    network.perView = { until: now + lengthMs, salt, kind, members }
  },
]

function partition(world: World, slots: readonly number[]): void {
  const { random, network } = world
  if (world.now < (network.perView?.until ?? 0)) return
  heal(network)
  random.pick(partitions)(world, random.shuffle(slots))
  trace(world, () => `partition ${[...network.blocked.keys()].join(' ')}`)
  const length = random.chance(0.3) ? random.between(50, 300) : random.between(300, 6_000)
  after(world, length, () => heal(network))
}

function scheduleClocks(world: World): void {
  const { random } = world
  recurring(world, 'F10', 4_000, () => {
    const node = random.pick(world.nodes)
    node.clockOffsetMs = random.between(-700, 700)
    node.clockDrift = (random.next() - 0.5) * 0.02
    if (!random.chance(0.2)) return
    // It stands still, then shows the right time again: a jump.
    node.clockFrozenAt = world.now
    after(world, random.between(200, 4_000), () => (node.clockFrozenAt = 0))
  })
  recurring(world, 'F11', 5_000, () => {
    stall(world, random.pick(world.nodes), 'F11', random.between(100, 3_000))
  })
  recurring(world, 'F12', 12_000, () => {
    stall(world, random.pick(world.nodes), 'F12', random.between(4_000, 10_000))
  })
}

function stall(world: World, node: SimNode, stalledBy: FaultId, lengthMs: number): void {
  Object.assign(node, { stalledBy, stalledUntil: world.now + lengthMs })
}

/** F7, F8, F28: old messages come again, late, changed in epoch, or to somebody else. */
function scheduleReplay(world: World): void {
  const { random, plan } = world
  const isRecording = (['F7', 'F28'] as const).some((id) => isOn(plan, id))
  if (!isRecording) return
  const seen: { from: SimNode; message: WireMessage }[] = []
  world.onCarried = (from, _to, message) => {
    if (!random.chance(0.05)) return
    if (seen.length >= 200) seen[random.below(200)] = { from, message }
    else seen.push({ from, message })
  }
  const replay = (id: FaultId, wanted: (message: WireMessage) => boolean) => () => {
    const candidates = seen.filter(({ message }) => wanted(message))
    if (candidates.length === 0) return
    fired(plan, id)
    const { from, message } = random.pick(candidates)
    const altered = id === 'F7' && random.chance(0.3) ? { ...message, epoch: message.epoch + 1 } : message
    carry(world, from, random.pick(world.nodes), altered)
  }
  recurring(
    world,
    'F7',
    150,
    replay('F7', () => true),
  )
  const isLate = (message: WireMessage) => message.type === 'viewChange' || message.type === 'proposal'
  recurring(world, 'F28', 300, replay('F28', isLate))
}

// ---------------------------------------------------------------------------------------------- clients

/** Clients: a trickle, a burst, or saturation; to all nodes, some or one; repeated until final (F40). */
export function scheduleClients(world: World): void {
  const { random } = world
  const meanMs = random.pick([40, 150, 600, 2_000])
  const next = () =>
    after(world, random.exponential(isOn(world.plan, 'F39') ? meanMs / 4 : meanMs), () => {
      if (!world.isFaulty) return
      submit(world, newTransaction(world), reachOf(world))
      next()
    })
  next()
  // A client that got no answer sends again, to everybody.
  const retry = () =>
    after(world, 1_500, () => {
      for (const { transaction, at } of world.sent.values()) {
        if (!world.acknowledged.has(transaction.id) && world.now - at > 1_000) {
          submit(world, transaction, world.nodes)
        }
      }
      retry()
    })
  retry()
  scheduleMembership(world)
  recurring(world, 'F39', 4_000, () => saturate(world))
}

function reachOf(world: World): readonly SimNode[] {
  const { random } = world
  if (!isOn(world.plan, 'F40') || random.chance(0.5)) return world.nodes
  fired(world.plan, 'F40')
  return random.chance(0.5) ? [random.pick(world.nodes)] : world.nodes.filter(() => random.chance(0.6))
}

function newTransaction(world: World): SimTransaction {
  const { random } = world
  const roll = random.next()
  if (roll < 0.1) return register(world, transactionKinds.emergency, 0)
  if (roll < 0.13) return register(world, transactionKinds.timer, random.between(2, 40))
  if (roll < 0.15) return register(world, transactionKinds.carry, 0)
  if (roll < 0.22) return register(world, transactionKinds.bulk, 0)
  if (isOn(world.plan, 'F38') && roll < 0.3) return register(world, transactionKinds.trap, 0)
  if (isOn(world.plan, 'F38') && roll < 0.38) {
    return register(world, transactionKinds.heavy, random.pick([random.between(1, 80), 80, 79, 20]))
  }
  return register(world, transactionKinds.plain, 0)
}

export function register(world: World, kind: number, argument: number): SimTransaction {
  const transaction = { id: world.nextTransactionId, kind, argument }
  world.nextTransactionId += 1
  world.sent.set(transaction.id, { transaction, at: world.now })
  return transaction
}

/**
 * Longer than normalRequest: a leader that works and still leaves a transaction out is complained about
 * (R20).
 */
const overdueMs = 4_000

/** The pool's request timers: every node watches what it has seen, whoever leads. */
export function scheduleRequestTimers(world: World): void {
  const look = () => {
    for (const node of world.nodes) {
      const oldest = Math.min(...node.poolSince.values())
      if (node.core === null || world.now - oldest < overdueMs) continue
      for (const id of node.poolSince.keys()) node.poolSince.set(id, world.now)
      deliver(world, node, { type: 'transactionOverdue', now: clockOf(world, node) })
    }
    after(world, 1_000, look)
  }
  look()
}

/** F32, F33: members come and go, and keys rotate, in whatever phase the others are. */
function scheduleMembership(world: World): void {
  recurring(world, 'F33', 6_000, () => addBehind(world))
  recurring(world, 'F32', 6_000, () => {
    const { random } = world
    if (!world.mayChangeMembers) return
    const kind = random.pick([
      transactionKinds.addMember,
      transactionKinds.removeMember,
      transactionKinds.rotateKey,
    ])
    const members = world.nodes.filter((node) => node.isCorrect)
    submit(world, register(world, kind, random.pick(members).index), world.nodes)
  })
}

/**
 * F33: a node that is down is made a member. It counts when the chain names it in the set in force while it
 * lacks blocks: it has to fetch them before it can vote.
 */
function addBehind(world: World): void {
  const { random, checker } = world
  const isIn = (members: readonly SimMember[], node: SimNode) =>
    members.some(({ index }) => index === node.index)
  const strangers = world.nodes.filter((node) => node.isCorrect && !isIn(node.app.afterNext, node))
  if (strangers.length === 0 || !world.mayChangeMembers) return
  const node = random.pick(strangers)
  const until = world.now + random.between(1_500, 6_000)
  bounce(world, node, until - world.now)
  submit(world, register(world, transactionKinds.addMember, node.index), world.nodes)
  const look = () => {
    const newest = checker.chain.at(-1)?.outcome.state
    const isBehind = newest !== undefined && node.app.height < newest.height
    if (isBehind && isIn(newest.next, node)) return fired(world.plan, 'F33')
    if (world.isFaulty && world.now < until + 1_000) after(world, 20, look)
  }
  look()
}

/** F39: more than several blocks hold, and an emergency into the middle of it. */
function saturate(world: World): void {
  for (let count = 0; count < 25; count += 1) {
    submit(world, register(world, transactionKinds.bulk, 0), world.nodes)
  }
  after(world, world.random.between(5, 60), () => {
    if (!world.isFaulty) return
    if (world.nodes.some(({ pool }) => pool.size >= 10)) fired(world.plan, 'F39')
    submit(world, register(world, transactionKinds.emergency, 0), world.nodes)
  })
}

export function submit(world: World, transaction: SimTransaction, targets: readonly SimNode[]): void {
  noteInvoked(world, transaction.id, targets)
  for (const node of targets) {
    if (node.core === null || node.app.executed.has(transaction.id) || node.pool.has(transaction.id))
      continue
    after(world, world.random.exponential(2), () => {
      if (node.core === null || node.app.executed.has(transaction.id) || node.pool.has(transaction.id))
        return
      node.pool.set(transaction.id, transaction)
      node.poolSince.set(transaction.id, world.now)
      deliver(world, node, {
        type: 'transactionsWaiting',
        now: clockOf(world, node),
        waiting: waitingOf(node),
      })
    })
  }
}
