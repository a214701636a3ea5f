// A hundred observers, each a real connection with its own key, socket and core, under eight relays; the
// network gives a block each two and a half seconds. Then a relay is killed without a goodbye, and another
// hangs.
import { ObserverTree, type Leaf } from './observer-tree.fixture.js'

interface BenchLine {
  name: string
  value: number
  unit: string
  p50?: number
  p99?: number
  input?: string
}

const relays = 8
const leaves = 100
/** A hundred cores in one process take half a second for a block: it must not run into the next one. */
const everyMs = 2_500
const calmBlocks = 10
const struckBlocks = 6

export const benches = [{ name: 'observers', run: observers }]

async function observers(): Promise<BenchLine[]> {
  const tree = await ObserverTree.grow({ relays, leaves })
  try {
    await tree.until('two relays each', () => tree.connections === leaves * 2, 240_000)
    await tree.run(5, everyMs, 240_000)
    const from = tree.tip
    const cpuBefore = process.cpuUsage()
    const begun = performance.now()
    await tree.run(calmBlocks, everyMs, 240_000)
    const { user, system } = process.cpuUsage(cpuBefore)
    const seconds = (performance.now() - begun) / 1_000
    const calm = tree.lags(from)
    const cpuMs = (user + system) / 1_000 / calm.length
    const killed = await struck(tree, tree.relays[0], 'SIGKILL')
    const frozen = await struck(tree, tree.relays[4], 'SIGSTOP')
    const uncertified = tree.leaves.reduce((sum, leaf) => sum + leaf.uncertified, 0)
    const rssMb = Math.round(process.memoryUsage().rss / 2 ** 20)
    const about = `${leaves} connections under ${relays} relays, all on this machine`
    const cost = `${cpuMs.toFixed(1)} ms CPU a block and observer, ${rssMb} MB for all, ${seconds.toFixed(0)} s`
    return [
      {
        ...{
          name: 'observers',
          value: round(quantile(calm, 0.99)),
          unit: 'ms from final to each observer, p99',
        },
        ...{ p50: round(quantile(calm, 0.5)), p99: round(quantile(calm, 0.99)) },
        input: `${about}; ${calm.length} arrivals, worst ${round(Math.max(...calm))} ms; ${cost}; ${uncertified} shown as final without a certificate`,
      },
      line('observers-upstream-killed', killed, about),
      line('observers-upstream-frozen', frozen, about),
    ]
  } finally {
    await tree.close()
  }
}

interface Struck {
  worst: number
  p50: number
  hit: number
}

/** The longest that each leaf which dialled it went without a block that was final. */
async function struck(
  tree: ObserverTree,
  relay: ObserverTree['relays'][number],
  signal: 'SIGKILL' | 'SIGSTOP',
): Promise<Struck> {
  const under: Leaf[] = tree.leavesUnder(relay)
  const from = tree.tip
  await tree.signal(relay, signal)
  await tree.run(struckBlocks, everyMs, 240_000)
  const worst = under.map((leaf) => Math.max(...tree.lags(from, [leaf])))
  return { worst: Math.max(...worst), p50: quantile(worst, 0.5), hit: under.length }
}

const line = (name: string, { worst, p50, hit }: Struck, about: string): BenchLine => ({
  ...{ name, value: round(worst), unit: 'ms, the longest that an observer was behind', p50: round(p50) },
  input: `${hit} observers dialled it; target 3,000 ms; ${about}`,
})

function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]
}

const round = (ms: number): number => Math.round(ms * 10) / 10
