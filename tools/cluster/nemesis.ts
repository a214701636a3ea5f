// Which faults happen, in which order. `tour` is the bounded round of the test suite; `storm` draws faults
// from a seed for as long as it is told to.
import type { Cluster } from './cluster.js'

/** Every sort of fault once, the leader first; each is cured before the next. */
export async function tour(cluster: Cluster): Promise<void> {
  const leader = await cluster.leader()
  await cluster.kill(leader)
  await cluster.nextBlock('leader killed')
  await cluster.restart(leader)
  await cluster.wholeAfterRestart('leader restarted')

  const next = await cluster.leader()
  cluster.freeze(next)
  await cluster.nextBlock('leader frozen')
  cluster.thaw(next)
  await cluster.wholeAfterHeal('leader thawed')

  await halves(cluster, cluster.validators.slice(0, 2))
  await cluster.kill(...cluster.names)
  await cluster.restart(...cluster.names)
  await cluster.wholeAfterRestart('all nodes killed at once and unlocked')
}

/**
 * Machines that come back with less than they had: a validator without blocks and votes, a follower that was
 * killed, one that is new (`ward join`), and with `isLong` a validator that is new too.
 */
export async function returns(cluster: Cluster, isLong: boolean): Promise<void> {
  const newest = cluster.validators[cluster.validators.length - 1]
  await cluster.wipe(newest)
  await cluster.wholeAfterRestart(`${newest} wiped and back`)

  const [follower] = cluster.followers
  await cluster.kill(follower)
  await cluster.nextBlock(`${follower} killed`)
  await cluster.restart(follower)
  await cluster.wholeAfterRestart(`${follower} restarted`)
  await lost(
    cluster,
    cluster.followers.find((name) => !name.startsWith('gateway'))!,
  )
  if (isLong) await lost(cluster, newest)
}

async function lost(cluster: Cluster, name: string): Promise<void> {
  await cluster.rejoin(name)
  await cluster.wholeAfterRestart(`${name} lost and back by a ticket`)
}

/** Two against the rest: nobody has a quorum, nothing becomes final, and healing needs no help. */
async function halves(cluster: Cluster, side: readonly string[]): Promise<void> {
  cluster.partition(side)
  // Longer than the connections live: they must be made anew.
  await new Promise((resolve) => setTimeout(resolve, 4_000))
  cluster.heal()
  await cluster.wholeAfterHeal(`partition of ${side.join(' and ')} healed`)
  await cluster.nextBlock('partition healed')
}

type Fault = (cluster: Cluster, pick: <T>(items: readonly T[]) => T) => Promise<void>

const faults: readonly Fault[] = [
  async (cluster, pick) => {
    const name = pick([await cluster.leader(), ...cluster.names])
    await cluster.kill(name)
    await cluster.nextBlock(`${name} killed`)
    await cluster.restart(name)
    await cluster.wholeAfterRestart(`${name} restarted`)
  },
  async (cluster, pick) => {
    const name = pick([await cluster.leader(), ...cluster.names])
    cluster.freeze(name)
    await cluster.nextBlock(`${name} frozen`)
    cluster.thaw(name)
    await cluster.wholeAfterHeal(`${name} thawed`)
  },
  async (cluster, pick) => {
    const one = pick(cluster.names)
    const other = pick(cluster.names.filter((name) => name !== one))
    await halves(cluster, pick([[one], [one, other]]))
  },
  async (cluster) => {
    await cluster.kill(...cluster.names)
    await cluster.restart(...cluster.names)
    await cluster.wholeAfterRestart('all nodes killed at once and unlocked')
  },
  async (cluster, pick) => {
    const name = pick(cluster.names)
    await cluster.wipe(name)
    await cluster.wholeAfterRestart(`${name} wiped and back`)
  },
  async (cluster, pick) => {
    // The first three stay as they were founded: somebody must remember what clients were told.
    const name = pick(cluster.names.slice(3).filter((other) => !other.startsWith('gateway')))
    await lost(cluster, name)
  },
]

/** Faults until the time is over; the same seed draws the same faults. */
export async function storm(cluster: Cluster, seed: number, untilMs: number): Promise<void> {
  const random = mulberry(seed)
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]
  while (Date.now() < untilMs) await pick(faults)(cluster, pick)
}

/** Mulberry32: enough to draw faults, and the same everywhere. */
function mulberry(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
