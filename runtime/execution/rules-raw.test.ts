// The compiled rules raw, in the compiler's own loader, against the same rules metered: on the inputs that a
// real block gave them, both must make the same host calls with the same bytes and leave the same memory.
// The host of both sides knows nothing but the input, so that neither can lean on the other.
import { instantiateSync } from '@assemblyscript/loader'
import t from 'tap'
import {
  FUEL_EXPORT,
  fuelScheduleV1,
  prepareModule,
  STACK_BYTES_MAX,
  STACK_EXPORT,
} from '../module/index.js'
import { hostSignatures } from './host-abi.js'
import { codes, createHospital, deployRules, findingOf, isBuilt, notBuilt } from './hospital.fixture.js'
import type { TraceEvent } from './index.js'
import { contractPolicy } from './module-cache.js'
import { admissionOf, hex, observationOf, patientOf, sha256 } from './world.fixture.js'

type Exports = Record<string, unknown> & { memory: WebAssembly.Memory }

/** One side: its host writes down every call with the bytes that the first pointer and length show. */
class Side {
  readonly calls: string[] = []
  private result: Uint8Array = new Uint8Array(0)
  exports!: Exports

  constructor(private readonly input: Uint8Array) {}

  get imports(): Record<string, (...args: (number | bigint)[]) => unknown> {
    return Object.fromEntries(
      Object.keys(hostSignatures).map((name) => [name, (...args) => this.answer(name, args)]),
    )
  }

  private answer(name: string, args: (number | bigint)[]): unknown {
    const memory = new Uint8Array(this.exports.memory.buffer)
    const [pointer = 0, length = 0] = args.slice(name.startsWith('state') ? 1 : 0).map(Number)
    const shown = length <= 65_536 ? hex(memory.slice(pointer, pointer + length)) : ''
    this.calls.push(`${name} ${args.join(' ')} ${shown}`)
    if (name === 'input_len') return this.input.length
    if (name === 'input_read') return memory.set(this.input, pointer)
    if (name === 'result_len') return this.result.length
    if (name === 'result_read') return memory.set(this.result, pointer)
    if (name === 'abort') throw new Error('aborted')
    if (name === 'fuel_left') return 1_000_000n
    if (name === 'state_get' || name === 'record_get') return -1
    // An empty list: its count.
    this.result = new Uint8Array(
      name === 'sha256' || name.endsWith('_emit') || name === 'alert_raise' ? 32 : 4,
    )
    return 0
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

function rawSide(code: Uint8Array, input: Uint8Array): Side {
  const side = new Side(input)
  const { exports } = instantiateSync(Buffer.from(code), { wardchain_v1: side.imports })
  side.exports = exports as unknown as Exports
  return side
}

function meteredSide(code: Uint8Array, input: Uint8Array): Side {
  const prepared = prepareModule(code, contractPolicy, fuelScheduleV1)
  if (!prepared.ok) throw new Error(prepared.detail)
  const side = new Side(input)
  const module = new WebAssembly.Module(prepared.value.instrumented)
  side.exports = new WebAssembly.Instance(module, { wardchain_v1: side.imports }).exports as Exports
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
      const code = rules.get(alias)?.code ?? new Uint8Array(0)
      const raw = rawSide(code, input).run(method)
      t.same(meteredSide(code, input).run(method), raw, `${alias}.${method}`)
      calls += raw.length
    }
    t.ok(calls > frames.length * 3, `${frames.length} runs, ${calls} lines compared`)
  },
)
