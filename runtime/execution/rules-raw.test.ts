// The compiled rules raw, in the compiler's own loader, against the same rules metered: on the inputs that a
// real block gave them, and every method of every contract on inputs made after its ABI, both must make the
// same host calls with the same bytes, return the same and leave the same memory. The host of both
// sides knows nothing but the input and a seed, so that neither can lean on the other.
import { instantiateSync } from '@assemblyscript/loader'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import {
  FUEL_EXPORT,
  fuelScheduleV1,
  prepareModule,
  STACK_BYTES_MAX,
  STACK_EXPORT,
} from '../module/index.js'
import type { Schema } from '../protocol/index.js'
import { hostSignatures } from './host-abi.js'
import {
  codes,
  createHospital,
  deployRules,
  findingOf,
  isBuilt,
  notBuilt,
  ruleNames,
  systemNames,
} from './hospital.fixture.js'
import type { TraceEvent } from './index.js'
import { contractPolicy } from './module-cache.js'
import { builtContract } from './test-contracts.fixture.js'
import { admissionOf, borsh, hex, observationOf, patientOf, sha256 } from './world.fixture.js'

const none = new Uint8Array(4)

type Exports = Record<string, unknown> & { memory: WebAssembly.Memory }

interface World {
  /** What other contracts answer. */
  answer: Uint8Array
  /** Rows of tables by number, whatever the key. */
  rows?: Record<number, Uint8Array>
  /** Each byte of the caller; zeros are the kernel. */
  caller?: number
}

/** One side: its host writes down every call with the bytes that the first pointer and length show. */
class Side {
  readonly calls: string[] = []
  private result: Uint8Array = new Uint8Array(0)
  exports!: Exports

  constructor(
    private readonly input: Uint8Array,
    private readonly world: World = { answer: none },
  ) {}

  get imports(): Record<string, (...args: (number | bigint)[]) => unknown> {
    return Object.fromEntries(
      Object.keys(hostSignatures).map((name) => [name, (...args) => this.answer(name, args)]),
    )
  }

  private answer(name: string, args: (number | bigint)[]): unknown {
    const memory = new Uint8Array(this.exports.memory.buffer)
    const first = name.startsWith('state') || name === 'abort' ? 1 : 0
    const [pointer = 0, length = 0] = args.slice(first).map(Number)
    const shown = length <= 65_536 ? hex(memory.slice(pointer, pointer + length)) : ''
    this.calls.push(`${name} ${args.join(' ')} ${shown}`)
    if (name === 'input_len') return this.input.length
    if (name === 'input_read') return memory.set(this.input, pointer)
    if (name === 'result_len') return this.result.length
    if (name === 'result_read') return memory.set(this.result, pointer)
    // Called, not triggered, at height and time 0.
    if (name === 'context_read') {
      memory.fill(0, pointer, pointer + 179)
      return void memory.fill(this.world.caller ?? 0, pointer + 48, pointer + 80)
    }
    if (name === 'abort') throw new Error('aborted')
    if (name === 'fuel_left') return 1_000_000n
    if (name === 'state_get') return this.give(this.world.rows?.[Number(args[0])])
    if (name === 'record_get') return -1
    if (name === 'contract_call') return this.give(this.world.answer)
    const isHash = name === 'sha256' || name.endsWith('_emit') || name === 'alert_raise'
    // An empty list: its count.
    this.result = new Uint8Array(isHash ? 32 : 4)
    return 0
  }

  /** Into the result buffer: its length, or -1 for what is not there. */
  private give(result: Uint8Array | undefined): number {
    if (result === undefined) return -1
    this.result = result
    return result.length
  }

  /** Runs a method; how it ended, every call, and a hash of the memory. */
  run(method: string): string[] {
    let end = 'returned'
    try {
      ;(this.exports['_initialize'] as () => void)()
      ;(this.exports[method] as () => void)()
    } catch (error) {
      end = error instanceof WebAssembly.RuntimeError ? 'trapped' : String(error)
    }
    return [end, ...this.calls, hex(sha256(new Uint8Array(this.exports.memory.buffer)))]
  }
}

interface Pair {
  raw: WebAssembly.Module
  metered: WebAssembly.Module
}

function compile(code: Uint8Array): Pair {
  const prepared = prepareModule(code, contractPolicy, fuelScheduleV1)
  if (!prepared.ok) throw new Error(prepared.detail)
  const [raw, metered] = [code, prepared.value.instrumented].map((bytes) => new WebAssembly.Module(bytes))
  const meters = WebAssembly.Module.exports(raw).filter(({ name }) => name.startsWith('__'))
  if (meters.length > 0) throw new Error('the raw side is metered')
  return { raw, metered }
}

function rawSide({ raw }: Pair, input: Uint8Array, world?: World): Side {
  const side = new Side(input, world)
  side.exports = instantiateSync(raw, { wardchain_v1: side.imports }).exports as unknown as Exports
  return side
}

function meteredSide({ metered }: Pair, input: Uint8Array, world?: World): Side {
  const side = new Side(input, world)
  side.exports = new WebAssembly.Instance(metered, { wardchain_v1: side.imports }).exports as Exports
  ;(side.exports[FUEL_EXPORT] as WebAssembly.Global<bigint>).value = 2n ** 60n
  ;(side.exports[STACK_EXPORT] as WebAssembly.Global<number>).value = STACK_BYTES_MAX
  return side
}

t.test(
  'rules on the inputs of real blocks, raw and metered',
  { skip: isBuilt ? false : notBuilt },
  async (t) => {
    const hospital = createHospital()
    const { world, nurse, monitor, rules } = hospital
    deployRules(hospital)
    const lisa = patientOf('lisa')
    const frames: { alias: string; method: string; input: Uint8Array }[] = []
    const trace = (event: TraceEvent): void => {
      if (event.type === 'frame' && rules.has(event.alias)) frames.push(event)
    }
    world.block([world.append(nurse, [admissionOf(lisa)])], {}, { trace })
    world.block(
      [world.append(nurse, [findingOf(lisa, 'wound-assessment', ['redness', 'purulent-drainage'])])],
      {},
      { trace },
    )
    const readings = [
      observationOf(lisa, codes.temperature, 391, { scale: 1, unit: 'Cel' }),
      observationOf(lisa, codes.systolic, 78, { unit: 'mm[Hg]' }),
      observationOf(lisa, codes.respiration, 31, { unit: '/min' }),
      observationOf(lisa, codes.pulse, 134, { unit: '/min' }),
    ]
    world.block([world.append(monitor, readings)], {}, { trace })
    t.same(
      [...new Set(frames.map(({ alias }) => alias))].sort(),
      [...rules.keys()].sort(),
      'every rule ran',
    )
    let calls = 0
    for (const { alias, method, input } of frames) {
      const pair = compile(rules.get(alias)?.code ?? new Uint8Array(0))
      const raw = rawSide(pair, input).run(method)
      t.same(meteredSide(pair, input).run(method), raw, `${alias}.${method}`)
      calls += raw.length
    }
    t.ok(calls > frames.length * 3, `${frames.length} runs, ${calls} lines compared`)
  },
)

/** Numbers of a seed alone. */
function numbersOf(seed: number): (below: number) => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const words = ['', 'nurse', 'admin', 'ward/deterioration', 'redness', '8867-4', 'a longer line: ä, €, 漢']

/** Values that a schema cannot tell, by the name of the field. */
const hints: Readonly<Record<string, readonly unknown[]>> = {
  scale: [1, 2],
  severity: [1, 2, 3],
  acvpu: ['A', 'C', 'U'],
  response: ['acknowledged', 'acted'],
  rr: [8, 16, 31],
  spo2: [84, 93, 99],
  sbp: [78, 120],
  pulse: [44, 80, 134],
  tempTenths: [340, 372, 395],
}

/** A value after a schema of an ABI, as `borsh` takes it; small numbers more often than large ones. */
function valueOf(schema: Schema, pick: (below: number) => number, field = ''): unknown {
  if (field in hints) return hints[field][pick(hints[field].length)]
  if (typeof schema === 'string') {
    if (schema === 'bool') return pick(2) === 1
    if (schema === 'string') return words[pick(words.length)]
    if (schema === 'bytes') return Uint8Array.from({ length: pick(40) }, () => pick(256))
    const value = pick(3) > 0 ? pick(6) : pick(schema === 'u8' ? 256 : 60_000)
    if (schema === 'u64' || schema === 'i64') return BigInt(value) * (pick(2) === 1 ? 1n : 1_000_000_007n)
    return schema === 'i32' && pick(3) === 0 ? -value : value
  }
  if ('fixed' in schema) return new Uint8Array(schema.fixed).fill(pick(4))
  if ('option' in schema) return pick(2) === 0 ? null : valueOf(schema.option, pick)
  if ('vec' in schema) return Array.from({ length: pick(4) }, () => valueOf(schema.vec, pick))
  return Object.fromEntries(schema.struct.map(([name, field]) => [name, valueOf(field, pick, name)]))
}

const inputsEach = 8
const yes = new Uint8Array(64).fill(1, 0, 1)

/** Rows as the contracts write them, so that the caller is an administrator and what is named exists. */
const entity = { fixed: 32 }
const rowsOf: Record<string, Record<number, Uint8Array>> = {
  'ward/policy': {
    1: row(['u16', 1], [{ vec: 'string' }, ['admin', 'nurse']]),
    4: row(['u32', 2]),
  },
  'ward/alerts': {
    2: row(
      ['u16', 1],
      [{ fixed: 16 }, new Uint8Array(16)],
      ['string', 'ward/deterioration'],
      ['u8', 0],
      [entity, new Uint8Array(32)],
      ['u64', 0n],
    ),
  },
  'ward/orders': {
    2: row(
      ['u16', 1],
      [{ fixed: 16 }, new Uint8Array(16)],
      ['string', 'sepsis'],
      ['string', 'lactate'],
      ['u8', 1],
      [entity, new Uint8Array(32)],
      ['u64', 0n],
    ),
  },
}

function row(...fields: [Schema, unknown][]): Uint8Array {
  return Buffer.concat(fields.map(([schema, value]) => borsh(schema, value)))
}

t.test(
  'every method of every contract on inputs after its ABI',
  { skip: isBuilt ? false : notBuilt },
  (t) => {
    const ends = new Map<string, number>()
    let calls = 0
    for (const name of [...systemNames, 'ward/appliance', ...ruleNames]) {
      const contract = builtContract(name)
      if (contract === undefined) throw new Error(notBuilt)
      const pair = compile(contract.code)
      for (const { name: method, kind, input: schema } of contract.manifest.methods) {
        for (let seed = 0; seed < inputsEach; seed += 1) {
          const input = borsh(schema, valueOf(schema, numbersOf(seed)))
          // One in eight is refused by the others, one in four finds nothing in its own store.
          const world = {
            answer: seed % 8 === 7 ? none : yes,
            rows: seed % 4 === 3 ? {} : rowsOf[name],
            caller: kind === 'system' || kind === 'timer' ? 0 : 7,
          }
          const raw = rawSide(pair, input, world).run(method)
          const metered = meteredSide(pair, input, world).run(method)
          if (!isDeepStrictEqual(metered, raw)) t.same(metered, raw, `${name}.${method}, seed ${seed}`)
          ends.set(raw[0], (ends.get(raw[0]) ?? 0) + 1)
          calls += raw.length - 2
        }
      }
    }
    const runs = [...ends.values()].reduce((sum, count) => sum + count, 0)
    const returned = ends.get('returned') ?? 0
    t.ok(returned > runs / 2, `${runs} runs, ${calls} host calls: ${JSON.stringify([...ends])}`)
    t.ok(calls > 2 * runs)
    t.end()
  },
)
