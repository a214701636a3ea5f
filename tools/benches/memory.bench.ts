// `memory-bound`: resident memory of real daemons while one admitted peer never reads and another floods,
// and how long an honest device waits meanwhile.
import { perPeerBytesMax, runRogues, slackBytes } from '../cluster/rogues.js'
import { quantile, type Bench } from './bench-line.js'
import { createBareNetwork } from './load.js'

const seconds = 30
const mb = (bytes: number): number => Math.round(bytes / 2 ** 20)

const memoryBound: Bench = {
  name: 'memory-bound',
  run: async () => {
    const load = await createBareNetwork(1, { validators: 4, followers: true }, () => () => ({}))
    try {
      const report = await runRogues(load, await load.enrolPoor(), seconds)
      const { calmBytes, rogueBytes, calmMs, rogueMs, flooded, sentAway } = report
      const [calmP50, rogueP50] = [quantile(calmMs, 0.5), quantile(rogueMs, 0.5)]
      return [
        {
          ...{
            name: 'memory-bound',
            value: mb(rogueBytes),
            unit: 'MiB resident, the largest of 4 validators',
          },
          ...{
            baseline: `${mb(calmBytes)} MiB without them`,
            ratio: Math.round((100 * rogueBytes) / calmBytes) / 100,
          },
          input: `one peer that never reads, one that floods (${flooded} frames in ${seconds} s, sent away ${sentAway} times); bound ${mb(calmBytes + 2 * perPeerBytesMax + slackBytes)} MiB: two connections at ${mb(perPeerBytesMax)} MiB and garbage`,
        },
        {
          ...{
            name: 'memory-bound-latency',
            value: Math.round(rogueP50),
            unit: 'ms to final of an honest device, p50',
          },
          ...{ p50: Math.round(rogueP50), p99: Math.round(quantile(rogueMs, 0.99)) },
          ...{
            baseline: `${Math.round(calmP50)} ms p50, ${Math.round(quantile(calmMs, 0.99))} ms p99 without them`,
          },
          ...{ ratio: Math.round((100 * rogueP50) / calmP50) / 100 },
          input: `${calmMs.length} and ${rogueMs.length} readings, one after another; the flooder shares the machine's two cores`,
        },
      ]
    } finally {
      await load.close()
    }
  },
}

export const benches: Bench[] = [memoryBound]
