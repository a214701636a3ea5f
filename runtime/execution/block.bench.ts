// `contract-call`: host cost of one call of an empty contract. `rule-rate`: NEWS2 scored in a metered
// module, and through the whole path from signed append to derived receipt. `vital-sign-append`: that path
// per append, two rules.
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import {
  FUEL_EXPORT,
  fuelScheduleV1,
  prepareModule,
  STACK_BYTES_MAX,
  STACK_EXPORT,
  moduleLimits,
} from '../module/index.js'
import { compileAssemblyScript } from '../module/kernels.fixture.js'
import { codes, createHospital, deployRules, isBuilt, notBuilt, type Hospital } from './hospital.fixture.js'
import { callView, contractPolicy, executeBlock } from './index.js'
import { Probes } from './probe.fixture.js'
import { methodsOf } from './test-contracts.fixture.js'
import { admissionOf, observationOf, patientOf, ports } from './world.fixture.js'

interface BenchLine {
  name: string
  value: number
  unit: string
  /** The same by processor time of this process: says more than the clock on a busy machine. */
  cpu?: number
  p50?: number
  p99?: number
  baseline?: string
  ratio?: number
  input?: string
}

const rounded = (value: number): number => Math.round(value * 100) / 100
const quantile = (samples: readonly number[], share: number): number =>
  [...samples].sort((left, right) => left - right)[
    Math.min(samples.length - 1, Math.floor(samples.length * share))
  ]

function timeUs(run: () => unknown): number {
  const start = performance.now()
  run()
  return (performance.now() - start) * 1_000
}

/** 63 calls in one view against none: what is left is the calls' own cost. */
async function contractCall(): Promise<BenchLine[]> {
  const calls = 63
  const probes = new Probes({
    'acme/empty': { body: '(func (export "go"))', manifest: { methods: methodsOf({ go: 'view' }) } },
    'acme/loop': {
      body: `(data (i32.const 256) "acme/empty") (data (i32.const 320) "go")
        (func (export "go") (local $n i32)
          (loop $more (drop (call $contract_call (i32.const 256) (i32.const 10) (i32.const 320) (i32.const 2)
            (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0)))
          (br_if $more (i32.lt_s (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const ${calls})))))
        (func (export "none"))`,
      manifest: { methods: methodsOf({ go: 'view', none: 'view' }, 100_000_000), calls: ['acme/empty'] },
    },
  })
  const { world } = probes
  const at = { height: 1, time: world.time + 1 }
  const view = (method: string): number =>
    timeUs(() => {
      const answer = callView(
        world.chain,
        { target: 'acme/loop', method, args: new Uint8Array(0) },
        at,
        world.cache,
        ports,
      )
      if (!answer.ok) throw new Error(answer.code)
    })
  const samples: number[] = []
  const fresh: number[] = []
  const empty = prepareModule(readCode(probes), contractPolicy, fuelScheduleV1)
  if (!empty.ok) throw new Error(empty.detail)
  const module = new WebAssembly.Module(empty.value.instrumented)
  const imports = Object.fromEntries([...contractPolicy.imports.keys()].map((name) => [name, () => 0]))
  for (let round = 0; round < 600; round += 1) {
    const none = view('none')
    const value = (view('go') - none) / calls
    const instance = timeUs(() => new WebAssembly.Instance(module, { wardchain_v1: imports }))
    if (round < 200) continue
    samples.push(value)
    fresh.push(instance)
  }
  const p50 = quantile(samples, 0.5)
  return [
    {
      name: 'contract-call',
      value: rounded(p50),
      unit: 'us',
      p50: rounded(p50),
      p99: rounded(quantile(samples, 0.99)),
      baseline: `a new instance per call: ${rounded(quantile(fresh, 0.5))} us`,
      ratio: rounded(p50 / quantile(fresh, 0.5)),
      input: 'empty contract of one page, called 63 times in one frame',
    },
  ]
}

function readCode(probes: Probes): Uint8Array {
  const [, , , attachment] = probes.world.genesis.attachments.slice(4)
  return attachment.content
}

const scoreSource = `
export function scores(count: i32): i32 {
  let sum = 0
  let seed: u32 = 1
  for (let index = 0; index < count; index++) {
    seed = seed * 1664525 + 1013904223
    const air = (seed & 16) != 0
    sum += respirationPoints(8 + ((seed >> 3) & 31)) + saturationPoints(80 + ((seed >> 7) & 15), false, air)
      + oxygenPoints(air) + systolicPoints(70 + ((seed >> 11) & 127)) + pulsePoints(30 + ((seed >> 15) & 127))
      + temperaturePoints(340 + ((seed >> 19) & 63))
  }
  return sum
}`

async function pureScores(): Promise<BenchLine> {
  const points = readFileSync('contracts-as/assembly/rules/shared/news2-points.ts', 'utf8')
  const prepared = prepareModule(
    await compileAssemblyScript(points + scoreSource),
    { ...contractPolicy, limits: moduleLimits },
    fuelScheduleV1,
  )
  if (!prepared.ok) throw new Error(prepared.detail)
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(prepared.value.instrumented), {})
  const scores = exports['scores'] as (count: number) => number
  const count = 1_000_000
  const samples: number[] = []
  for (let round = 0; round < 25; round += 1) {
    ;(exports[FUEL_EXPORT] as WebAssembly.Global<bigint>).value = 10n ** 15n
    ;(exports[STACK_EXPORT] as WebAssembly.Global<number>).value = STACK_BYTES_MAX
    const us = timeUs(() => scores(count))
    if (round >= 5) samples.push(count / (us / 1e6))
  }
  return {
    name: 'rule-rate',
    value: Math.round(quantile(samples, 0.5)),
    unit: 'scores/s',
    p50: Math.round(quantile(samples, 0.5)),
    input: 'NEWS2 points of contracts-as in a metered module, six random parameters',
  }
}

const patientCount = 200
const perBlock = 500

interface AppendTimes {
  perAppend: number[]
  /** Microseconds of processor time, collector and compiler included. */
  cpuPerAppend: number[]
  derived: number
}

/** Microseconds of `executeBlock` per append; admission was checked and decoded before, as in the node. */
function appendRounds(hospital: Hospital, rounds: number, warm: number): AppendTimes {
  const { world, monitor } = hospital
  const patients = Array.from({ length: patientCount }, (_, index) => patientOf(`bench ${index}`))
  for (let from = 0; from < patients.length; from += 25) {
    world.block([world.append(monitor, patients.slice(from, from + 25).map(admissionOf))])
  }
  const perAppend: number[] = []
  const cpuPerAppend: number[] = []
  let derived = 0
  for (let round = 0; round < rounds; round += 1) {
    // The one monitor's credit is full again: the bench is about time, not about what a sender may spend.
    world.time += 600_000
    const bundles = Array.from({ length: perBlock }, (_, index) =>
      world.append(monitor, [
        observationOf(patients[(round * perBlock + index) % patientCount], codes.pulse, 70 + (index % 20), {
          unit: '/min',
        }),
      ]),
    )
    const input = world.propose(bundles)
    const decoded = bundles.map((bytes) => world.bundle(bytes))
    let next = 0
    const options = { signatureChecked: () => true, decodedBundle: () => decoded[next++] }
    let outcome: ReturnType<typeof executeBlock> | undefined
    const cpuBefore = process.cpuUsage()
    const us = timeUs(() => (outcome = executeBlock(input, world.chain, world.cache, ports, options)))
    const { user, system } = process.cpuUsage(cpuBefore)
    if (outcome === undefined || !outcome.ok) throw new Error(outcome?.code ?? 'no block')
    derived = outcome.receipts.length / perBlock - 1
    world.height += 1
    world.time = input.header.time
    world.chain.apply(outcome)
    if (round < warm) continue
    perAppend.push(us / perBlock)
    cpuPerAppend.push((user + system) / perBlock)
  }
  return { perAppend, cpuPerAppend, derived }
}

/** As the thread that executes blocks in a node (`host/executor/executor-client.ts`). */
const youngHeapMiB = 96

/** The whole path, in a thread with the young heap of a node's executor. */
async function ruleRate(): Promise<BenchLine[]> {
  if (!isBuilt) throw new Error(notBuilt)
  const worker = new Worker(new URL(import.meta.url), {
    resourceLimits: { maxYoungGenerationSizeMb: youngHeapMiB, maxOldGenerationSizeMb: 4_096 },
  })
  const appends = await new Promise<BenchLine[]>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  await worker.terminate()
  return [await pureScores(), ...appends]
}

function appendLines(): BenchLine[] {
  const lines: BenchLine[] = []
  for (const [name, rules] of [
    ['one rule', ['ward/deterioration']],
    ['two rules', ['ward/deterioration', 'ward/sepsis-screen']],
  ] as const) {
    const hospital = createHospital()
    for (const alias of [...hospital.rules.keys()])
      if (!rules.includes(alias as never)) hospital.rules.delete(alias)
    deployRules(hospital)
    const { perAppend, cpuPerAppend, derived } = appendRounds(hospital, 40, 15)
    const p50 = quantile(perAppend, 0.5)
    const cpu = quantile(cpuPerAppend, 0.5)
    const input = `blocks of ${perBlock} one-pulse appends for ${patientCount} patients, ${name}, in memory`
    if (rules.length === 1) {
      lines.push({
        name: 'rule-rate',
        value: Math.round((derived * 1e6) / p50),
        unit: 'evaluations/s',
        cpu: Math.round((derived * 1e6) / cpu),
        input,
      })
    }
    lines.push({
      name: 'vital-sign-append',
      value: rounded(p50),
      unit: 'us',
      cpu: rounded(cpu),
      p50: rounded(p50),
      p99: rounded(quantile(perAppend, 0.99)),
      input,
    })
  }
  return lines
}

if (!isMainThread) parentPort?.postMessage(appendLines())

export const benches = [
  { name: 'contract-call', run: contractCall },
  { name: 'rule-rate', run: ruleRate },
]
