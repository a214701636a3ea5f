// `records`: a node with 1e5 vital signs on its chain, and with `WARD_BENCH_LARGE=1` the same chain grown to
// 1e6: append, point read, a patient's window, start, disk, memory. The chain stays in the temporary folder
// (or `WARD_BENCH_FOLDER`), so that the next run goes on with it. Processor time, for the machine is shared.
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { recordKind } from '../../runtime/protocol/index.js'
import { nodeFiles } from '../../host/node/node-config.js'
import { openKeyslot } from '../../host/store/index.js'
import { createProgress } from '../ward/progress.js'
import { quantile, rounded, type Bench, type BenchLine } from './bench-line.js'
import type { NodeStart } from './node-start-child.js'
import { bedCount, growRecordChain, RecordChain, recordChainPassword } from './record-chain.js'
import { patientOf, readingsPerSet, setIntervalMs } from './vital-series.js'

const seed = 1
const readCount = 2_000
const dayMs = 86_400_000
const sizes = process.env.WARD_BENCH_LARGE === '1' ? [100_000, 1_000_000] : [100_000]

async function records(): Promise<BenchLine[]> {
  const folder = process.env.WARD_BENCH_FOLDER ?? path.join(tmpdir(), `wardchain-records-${seed}`)
  const lines: BenchLine[] = []
  for (const recordCount of sizes) {
    const progress = createProgress()
    const report = await growRecordChain({
      folder,
      recordCount,
      seed,
      onProgress: (done, total) => progress.show('records', done, total),
    })
    progress.end()
    const input = `${report.records} vital signs, ${report.blocks} blocks, ${report.patients} patients`
    const name = (what: string): string =>
      `records-${recordCount.toExponential(0).replace('+', '')}-${what}`
    if (report.appended > 0) {
      const value = rounded((report.appended / report.cpuMs) * 1_000)
      lines.push({ name: name('append'), value, unit: 'records per CPU second', input })
    }
    lines.push(...(await startLines(folder, name, input)))
    lines.push(...(await readLines(folder, name, input)))
  }
  return lines
}

type Namer = (what: string) => string

/** First after a crash with as many redo records as a node keeps, then after an orderly end. */
async function startLines(folder: string, name: Namer, input: string): Promise<BenchLine[]> {
  await crash(folder)
  const afterCrash = await start(folder)
  const orderly = await start(folder)
  const line = (what: string, { unlockMs, keyslotMs, cpuMs, keyslotCpuMs }: NodeStart): BenchLine => ({
    name: name(what),
    value: rounded(unlockMs - keyslotMs),
    unit: 'ms beyond the password',
    baseline: `processor time ${Math.round(cpuMs - keyslotCpuMs)} ms`,
    input,
  })
  return [
    line('node-start', orderly),
    line('node-start-after-crash', afterCrash),
    { name: name('memory'), value: Math.round(orderly.rssMiB), unit: 'MiB of the process, started', input },
  ]
}

const child = fileURLToPath(new URL('./node-start-child.js', import.meta.url))

/** A process of its own that appends blocks and is killed. */
async function crash(folder: string): Promise<void> {
  const died = await promisify(execFile)(process.execPath, [child, folder, 'crash', String(seed)]).then(
    () => undefined,
    (error: unknown) => (error as { signal?: string }).signal,
  )
  if (died !== 'SIGKILL') throw new Error('the process that was to be killed ended by itself')
}

async function start(folder: string): Promise<NodeStart> {
  const { stdout } = await promisify(execFile)(process.execPath, [child, folder])
  return JSON.parse(stdout) as NodeStart
}

async function readLines(folder: string, name: Namer, input: string): Promise<BenchLine[]> {
  const dataKey = await openKeyslot(nodeFiles(folder).keyslots, recordChainPassword.slice())
  const chain = await RecordChain.open(folder, dataKey, seed)
  try {
    const patients = Array.from({ length: bedCount }, (_, bed) => patientOf(seed, bed))
    const windowOf = (patient: Uint8Array, at: number): { id: Uint8Array }[] => {
      const to = RecordChain.startTime + at
      const query = { patient, kind: recordKind.observation, code: '8867-4', from: to - dayMs, to }
      return chain.ask('records', { ...query, limit: 500, newest: true }).records
    }
    // Spread over the whole stay of many patients: mostly not what was read before.
    const spanMs = Math.min(5 * dayMs, chain.height * setIntervalMs)
    const placeOf = (index: number): number => ((index * 7_919) % 1_000) * (spanMs / 1_000)
    const windows: number[] = []
    const ids: Uint8Array[] = []
    for (let index = 0; index < readCount / 4; index += 1) {
      const begun = performance.now()
      const found = windowOf(patients[index % patients.length], placeOf(index))
      windows.push((performance.now() - begun) * 1_000)
      ids.push(...found.slice(0, 4).map(({ id }) => id))
    }
    const points = ids.slice(0, readCount).map((id) => {
      const begun = performance.now()
      chain.ask('record', { id })
      return (performance.now() - begun) * 1_000
    })
    const timed = (what: string, samples: number[]): BenchLine => ({
      name: name(what),
      value: rounded(quantile(samples, 0.5)),
      unit: 'us',
      p50: rounded(quantile(samples, 0.5)),
      p99: rounded(quantile(samples, 0.99)),
      input,
    })
    const store = chain.fileBytes(folder)
    // With those that the process appended that was killed.
    const recordCount = chain.round * bedCount * readingsPerSet
    return [
      timed('point-read', points),
      timed('patient-window', windows),
      { name: name('disk'), value: Math.round(store / recordCount), unit: 'bytes per record', input },
    ]
  } finally {
    await chain.close()
    dataKey.close()
  }
}

export const benches: Bench[] = [{ name: 'records', run: records }]
