// `node dist/tools/tier-equality.js [--json]`: runs one corpus in three processes, V8's baseline tier only,
// its optimising tier only, and both by default, and compares what a receipt depends on: result, fuel,
// stack height and the hash of the whole memory, cold and warm, instances fresh and reused. Exit 0 when all
// are equal.

import { createHash } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildCorpus, runCorpus } from './conformance/tier-corpus.js'

const modes: readonly (readonly [name: string, flags: readonly string[]])[] = [
  ['liftoff', ['--liftoff-only']],
  ['turbofan', ['--no-liftoff']],
  ['default', []],
]

/** Child: reads the corpus from standard input, prints one line for each case. */
async function child(): Promise<void> {
  const corpus = JSON.parse(readFileSync(0, 'utf8')) as Awaited<ReturnType<typeof buildCorpus>>
  process.stdout.write(`${runCorpus(corpus).join('\n')}\n`)
}

async function main(isJson: boolean): Promise<number> {
  const input = JSON.stringify(await buildCorpus())
  const outputs = modes.map(([name, flags]) => {
    const script = fileURLToPath(import.meta.url)
    const result = spawnSync(process.execPath, [...flags, script, '--child'], {
      input,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    })
    if (result.status !== 0) throw new Error(`${name} ended with ${result.status}: ${result.stderr}`)
    return result.stdout.trim().split('\n')
  })
  const [first = []] = outputs
  const differing = first.filter((line, index) => outputs.some((lines) => lines[index] !== line))
  for (const line of differing.slice(0, 10)) process.stderr.write(`differs: ${line}\n`)
  const digest = createHash('sha256').update(first.join('\n')).digest('hex')
  const summary = {
    modes: modes.map(([name]) => name),
    cases: first.length,
    differing: differing.length,
    digest,
  }
  console.log(
    isJson ? JSON.stringify(summary) : `${first.length} cases in 3 tiers, ${differing.length} differ`,
  )
  return differing.length === 0 && first.length > 0 ? 0 : 1
}

if (process.argv.includes('--child')) await child()
else process.exitCode = await main(process.argv.includes('--json'))
