// `node dist/tools/cluster.js [--minutes 10] [--seed 1] [--validators 4]`: faults drawn from a seed on a
// network of real daemons under load, with the promises of the system as bounds. Exit status 1 when one is
// broken.
import { Command } from 'commander'
import { Cluster, promises } from './cluster/cluster.js'
import { returns, storm, tour } from './cluster/nemesis.js'

const program = new Command()
  .name('cluster')
  .description(
    'kills, freezes, cuts off, wipes and restarts real nodes under load; checks that nothing is lost',
  )
  .option('--minutes <count>', 'how long faults go on', '10')
  .option('--seed <number>', 'draws the faults', '1')
  .option('--validators <count>', '4 to 31', '4')
  .parse()
const options = program.opts<{ minutes: string; seed: string; validators: string }>()

const say = (text: string): void => void process.stderr.write(`${text}\n`)

async function main(): Promise<void> {
  const shape = { validators: Number(options.validators), followers: true }
  say(`founding a network; seed ${options.seed}`)
  const cluster = await Cluster.start(shape, promises, say)
  try {
    await tour(cluster)
    await returns(cluster, true)
    await storm(cluster, Number(options.seed), Date.now() + Number(options.minutes) * 60_000)
    const verdict = await cluster.verdict()
    const late = cluster.measured.filter(({ ms, boundMs }) => ms > boundMs)
    const problems = [
      ...verdict.problems,
      ...late.map(({ fault, ms, boundMs }) => `${fault}: ${ms} ms, promised ${boundMs}`),
    ]
    process.stdout.write(`${JSON.stringify({ ...verdict, problems, faults: cluster.measured.length })}\n`)
    if (problems.length > 0) process.exitCode = 1
  } finally {
    await cluster.close()
  }
}

await main()
process.exit(process.exitCode ?? 0)
