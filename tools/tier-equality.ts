// `npm run tier-equality -- [folder of .wast scripts] [--core] [--json]`: one corpus in three processes,
// V8's baseline tier only, its optimising tier only, and both by default. Compared are what a block
// depends on: results, fuel, stack height, the hash of the whole memory, receipts and state roots, cold
// and warm, on fresh and reused instances. The corpus: kernels, random modules, NaN probes, the hostile
// corpus, the compiled rules on blocks of readings, our own specification scripts
// (`conformance/vectors`), and the official ones when a folder is given. Reuse is the runtime's own
// (`runtime/execution/module-cache.ts`: given back, reset, taken again). Of the scripts' modules it
// takes those without imports, start function, table or reference instructions and passive segments; the
// others run on fresh instances only, as the runtime deploys no such module. The last line is
// `{"modes","cases","lines","differing","digest"}`; exit 0 when all are equal.
import { createHash } from 'node:crypto'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { buildCorpus } from './conformance/tier-corpus.js'
import { compareModes } from './conformance/tier-compare.js'

const modes: readonly (readonly [name: string, flags: readonly string[]])[] = [
  ['liftoff', ['--liftoff-only']],
  ['turbofan', ['--no-liftoff']],
  ['default', []],
]

const child = fileURLToPath(new URL('./conformance/tier-child.fixture.js', import.meta.url))

function runMode(flags: readonly string[], options: readonly string[], input: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const started = spawn(process.execPath, [...flags, child, ...options], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const chunks: Buffer[] = []
    started.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    started.on('error', reject)
    started.on('close', (code, signal) => {
      const lines = Buffer.concat(chunks).toString('utf8').trim().split('\n')
      if (code === 0) resolve(lines)
      else
        reject(
          new Error(`${flags.join(' ') || 'default'} ended with ${code ?? signal} after: ${lines.at(-1)}`),
        )
    })
    started.stdin.end(input)
  })
}

async function main(args: readonly string[]): Promise<number> {
  const isJson = args.includes('--json')
  const isCore = args.includes('--core')
  const folder = args.find((argument) => !argument.startsWith('--'))
  const options = [...(isCore ? ['--core'] : []), ...(folder === undefined ? [] : ['--wast', folder])]
  const input = JSON.stringify(await buildCorpus(isCore ? 10 : 40))
  const outputs = await Promise.all(modes.map(([, flags]) => runMode(flags, options, input)))
  const { names, lines, differing } = compareModes(
    new Map(modes.map(([name], index) => [name, outputs[index]])),
  )
  for (const { name, results } of differing.slice(0, 10))
    process.stderr.write(`differs: ${name}\n  ${results.join('\n  ')}\n`)
  const digest = createHash('sha256').update(outputs[0].join('\n')).digest('hex')
  const summary = {
    modes: modes.map(([name]) => name),
    cases: names,
    lines,
    differing: differing.length,
    digest,
  }
  if (!isJson)
    console.log(`${names} cases, ${lines} runs in 3 tiers, cold and warm: ${differing.length} differ`)
  console.log(JSON.stringify(summary))
  return differing.length === 0 && names > 0 ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
