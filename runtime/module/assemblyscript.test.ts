// What the AssemblyScript compiler emits by default passes the policy and gives the same results metered,
// against the raw module run by the compiler's own loader.

import { instantiateSync } from '@assemblyscript/loader'
import t from 'tap'
import { fuelScheduleV1, prepareModule } from './index.js'
import { compileAssemblyScript, compileKernels, equalityKernels } from './kernels.fixture.js'
import { instantiate, runMetered, testPolicy } from './wat.fixture.js'

t.test('kernels: equal results, raw by the loader and metered', async (t) => {
  const raw = await compileKernels()
  const prepared = prepareModule(raw, testPolicy, fuelScheduleV1)
  if (!prepared.ok) return void t.fail(`${prepared.code}: ${prepared.detail}`)
  t.ok(WebAssembly.validate(prepared.value.instrumented))
  const rawExports = instantiateSync<Record<string, (size: number) => number>>(Buffer.from(raw), {}).exports
  const metered = instantiate(prepared.value.instrumented)
  rawExports['_initialize'](0)
  t.equal(runMetered(metered, '_initialize', [], 1_000_000).kind, 'values')
  for (const [name, size] of equalityKernels) {
    const outcome = runMetered(metered, name, [size], 100_000_000)
    t.equal(outcome.kind, 'values', name)
    t.equal(outcome.value, rawExports[name](size), name)
    t.equal(
      runMetered(metered, name, [size], outcome.fuelUsed - 1).kind,
      'fuel',
      `${name} needs every unit`,
    )
  }
})

t.test('a source of randomness gets a sentence, not a surprise', async (t) => {
  const raw = await compileAssemblyScript('export function f(): i32 { return <i32>(Math.random() * 10) }')
  const prepared = prepareModule(raw, testPolicy, fuelScheduleV1)
  if (prepared.ok) return void t.fail('refusal expected')
  t.equal(prepared.code, 'IMPORT_UNKNOWN')
  t.match(prepared.detail, /`Math\.random` is not available: results must be equal on every node\. Use/)
})

t.test('an unwanted start section is refused', async (t) => {
  const raw = await compileAssemblyScript('export const a = new Array<i32>(5)', false)
  const prepared = prepareModule(raw, testPolicy, fuelScheduleV1)
  t.equal(prepared.ok ? 'admitted' : prepared.code, 'START_SECTION')
})
