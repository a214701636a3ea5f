// When modules are compiled, and that a machine without memory decides nothing.
import t from 'tap'
import { setFlagsFromString } from 'node:v8'
import { entityKind } from '../protocol/index.js'
import { fuelScheduleV2, prepareModule } from '../module/index.js'
import { createModuleCache, executeBlock, NodeFault, warmModules } from './index.js'
import { contractPolicy, initializeFuelMax, tryInitialize } from './module-cache.js'
import { contractOf, genesisContract, methodsOf, systemContracts } from './test-contracts.fixture.js'
import { admissionOf, patientOf, ports, signerOf, World } from './world.fixture.js'

const admin = signerOf('admin')
const monitor = signerOf('monitor', entityKind.source)
const worker = contractOf(
  { alias: 'acme/worker', methods: methodsOf({ go: 'call' }) },
  '(func (export "go"))',
)

/** Modules that the engine compiles while this runs. */
function compiledBy(run: () => void): number {
  const { Module } = WebAssembly
  let count = 0
  WebAssembly.Module = new Proxy(Module, {
    construct(target, values) {
      count += 1
      return Reflect.construct(target, values) as WebAssembly.Module
    },
  })
  try {
    run()
  } finally {
    WebAssembly.Module = Module
  }
  return count
}

t.test('after a start every active contract is compiled before the first block, not in it', async (t) => {
  const world = new World({
    signers: [admin, monitor],
    contracts: [...systemContracts, genesisContract(worker)],
  })
  const input = world.propose([
    world.append(monitor, [admissionOf(patientOf('lisa'))]),
    world.call(admin, 'acme/worker', 'go'),
  ])
  const cache = createModuleCache()
  let modules = 0
  const warmed = compiledBy(() => {
    modules = warmModules(world.chain, cache, ports)
  })
  t.ok(modules > 1)
  t.equal(warmed, modules)
  const inBlock = (using: typeof cache): number =>
    compiledBy(() => {
      t.ok(executeBlock(input, world.chain, using, ports).ok)
    })
  t.equal(inBlock(cache), 0)
  t.ok(inBlock(createModuleCache()) >= 2, 'a cold cache compiles')
})

t.test('a machine that cannot grow a memory says so, instead of refusing the module', async (t) => {
  const growing = contractOf(
    { alias: 'acme/growing', methods: methodsOf({ go: 'call' }) },
    `(func (export "go")) (func (export "_initialize")
       (if (i32.lt_s (memory.grow (i32.const 1)) (i32.const 0)) (then (unreachable))))`,
  )
  const prepared = prepareModule(growing.code, contractPolicy, fuelScheduleV2)
  if (!prepared.ok) throw new Error(prepared.detail)
  t.ok(tryInitialize(prepared.value, initializeFuelMax).ok, 'with memory')
  setFlagsFromString('--wasm-max-mem-pages=1')
  t.teardown(() => setFlagsFromString('--wasm-max-mem-pages=65536'))
  try {
    tryInitialize(prepared.value, initializeFuelMax)
    t.fail('a fault is expected')
  } catch (error) {
    t.match(error, { code: 'NATIVE_FAILURE' })
    t.ok(error instanceof NodeFault)
  }
})
