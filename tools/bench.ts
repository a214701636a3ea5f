// `npm run bench -- [name...] [--json] [--list]`: every `*.bench.ts` beside the code it measures, one
// JSON line each.
import { readdirSync } from 'node:fs'
import { cpus } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { Command } from 'commander'
import type { Bench, BenchLine } from './benches/bench-line.js'
import { distFolder } from './ward/system-contracts.js'

const program = new Command()
  .name('npm run bench --')
  .description(
    'Runs the benches whose names start with the given ones, or all. Ratios are against a baseline of the same run.',
  )
  .argument('[names...]', 'e.g. network-throughput alert-latency')
  .option('--json', 'JSON lines only')
  .option('--list', 'names only')
  .parse()
const { json, list } = program.opts<{ json?: boolean; list?: boolean }>()

const say = (text: string): void => {
  if (!json) process.stderr.write(`${text}\n`)
}

function benchFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(folder, entry.name)
    if (entry.isDirectory()) return benchFiles(full)
    return entry.name.endsWith('.bench.js') ? [full] : []
  })
}

async function main(): Promise<void> {
  const benches: Bench[] = []
  for (const file of benchFiles(distFolder).sort()) {
    const module = (await import(pathToFileURL(file).href)) as { benches?: Bench[] }
    benches.push(...(module.benches ?? []))
  }
  if (list) return benches.forEach((bench) => process.stdout.write(`${bench.name}\n`))
  const wanted = benches.filter(
    (bench) => program.args.length === 0 || program.args.some((name) => bench.name.startsWith(name)),
  )
  if (wanted.length === 0) {
    process.stderr.write(`No bench is called so. Known: ${benches.map((bench) => bench.name).join(', ')}\n`)
    process.exitCode = 2
    return
  }
  say(`${wanted.length} benches on ${cpus().length} x ${cpus()[0].model}, Node ${process.version}`)
  for (const bench of wanted) {
    say(`... ${bench.name}`)
    const lines: BenchLine[] = await bench.run()
    for (const line of lines) process.stdout.write(`${JSON.stringify(line)}\n`)
    for (const { name, fault } of lines) {
      if (fault === undefined) continue
      process.stderr.write(`${name} failed: ${fault}\n`)
      process.exitCode = 1
    }
  }
}

await main()
process.exit(process.exitCode ?? 0)
