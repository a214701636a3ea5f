// The hostile corpus, class by class: a coded refusal or trap, exact fuel, and a node that goes on as if
// nothing had been. `WRITE_VECTORS=1` renews the fuel figures after a deliberate change of prices.
import { readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { attachmentBytesMax, codeOfStatus, type Receipt } from '../../protocol/index.js'
import { fuelScheduleV1, moduleLimits, prepareModule } from '../../module/index.js'
import { chainRow, decodeRow, encodeRow, NodeFault, onlyKey, store, type ChainRow } from '../index.js'
import { contractPolicy } from '../module-cache.js'
import { encodePointKey } from '../../state/index.js'
import { attackClasses, hostileCorpus } from './corpus.fixture.js'
import type { HostileBytes, HostileCall, RefusedDeployment, RefusedModule } from './hostile-case.fixture.js'
import { HostileNode, type Ending } from './hostile-node.fixture.js'
import { runningAttacks } from './running-attacks.fixture.js'
import { straightLine } from './static-attacks.fixture.js'

const vectorFile = 'runtime/execution/vectors/hostile.json'
const isWriting = process.env['WRITE_VECTORS'] === '1'
const known = isWriting ? {} : (JSON.parse(readFileSync(vectorFile, 'utf8')) as Record<string, number>)
const found: Record<string, number> = {}

const before = new HostileNode([]).honest()

const engineEnds: readonly string[] = ['TRAPPED', 'STACK_EXHAUSTED', 'OUT_OF_FUEL']

interface Nodes {
  node: HostileNode
  fresh: HostileNode
}

function holdsModule(t: Test, node: HostileNode, { name, bytes, code }: RefusedModule): void {
  const module = bytes()
  const result = prepareModule(module, contractPolicy, fuelScheduleV1)
  if (result.ok) return void t.fail(`${name}: admitted`)
  t.equal(result.code, code, `${name}: ${result.detail}`)
  t.match(result.detail, /^[A-Z`"].{14,}\.$/, `${name}: a sentence`)
  t.ok(result.offset >= 0 && result.offset <= module.length, `${name}: offset ${result.offset}`)
  if (module.length > attachmentBytesMax) return
  const receipt = node.deploy(module)
  t.equal(codeOfStatus(receipt.status), 'MODULE_REFUSED', name)
  t.match(receipt.detail, `${code} at byte ${result.offset}: `, 'the receipt says what and where')
  holdsFuel(t, name, receipt.fuelUsed)
}

/** Refused when it is deployed: what was used up is exact, and one fuel less is too little. */
function holdsDeployment(t: Test, node: HostileNode, attack: RefusedDeployment): void {
  const { name, bytes, manifest, code, detail, fuelLimit } = attack
  const deploy = (limit?: number): Receipt => node.deploy(bytes(), manifest?.(), limit)
  const receipt = deploy(fuelLimit)
  t.equal(codeOfStatus(receipt.status), code, name)
  t.match(receipt.detail ?? '', detail, name)
  holdsFuel(t, name, receipt.fuelUsed)
  if (code === 'OUT_OF_FUEL') return void t.equal(receipt.fuelUsed, fuelLimit, 'all of it')
  t.equal(codeOfStatus(deploy(receipt.fuelUsed).status), code, `${name}: enough is enough`)
  t.equal(codeOfStatus(deploy(receipt.fuelUsed - 1).status), 'OUT_OF_FUEL', `${name}: one less`)
}

function holdsFuel(t: Test, name: string, fuelUsed: number): void {
  found[name] = fuelUsed
  if (!isWriting) t.equal(fuelUsed, known[name], `${name}: fuel`)
}

function holdsCall(t: Test, { node, fresh }: Nodes, attack: HostileCall): void {
  const { name, code } = attack
  const ending = node.run(attack)
  t.equal(ending.code, code, name)
  if (attack.returned !== undefined) t.equal(ending.returned, attack.returned, name)
  holdsFuel(t, name, ending.fuelUsed)
  // What the engine says of a trap, a stack or a limit is in no receipt.
  if (engineEnds.includes(code)) t.equal(ending.detail, '', `${name}: a code and no words`)
  t.ok(node.world.last?.records.length === 0, `${name}: no record`)
  if (code !== 'OK') t.same(storesWritten(node), [], `${name}: no write of a contract`)
  holdsExactly(t, node, attack, ending)
  t.same(plain(node.run(attack, undefined, true)), plain(node.run(attack)), `${name}: traced or not`)
  t.same(plain(fresh.run(attack)), plain(node.run(attack)), `${name}: fresh or reused`)
}

/** Roots differ with the sender's sequence, so they are compared between nodes only, not between calls. */
const plain = ({ roots: _, ...ending }: Ending): Omit<Ending, 'roots'> => ending

const storesWritten = (node: HostileNode): string[] =>
  (node.world.last?.writeSet.state ?? []).map(({ store }) => store).filter((one) => one.includes('/'))

/** What was used is what is needed: with it the call ends alike, with one less it has too little. */
function holdsExactly(t: Test, node: HostileNode, attack: HostileCall, ending: Ending): void {
  const { name, code } = attack
  if (code === 'OUT_OF_FUEL') {
    t.equal(ending.fuelUsed, attack.fuelLimit ?? 5_000_000, `${name}: the whole slice and no more`)
    return
  }
  if (attack.handles === true) return
  t.equal(node.run(attack, ending.fuelUsed).code, code, `${name}: enough is enough`)
  const less = node.run(attack, ending.fuelUsed - 1)
  if (code === 'OK') t.same([less.code, less.fuelUsed], ['OUT_OF_FUEL', ending.fuelUsed - 1], name)
}

function holdsBytes(t: Test, { name, parse, code }: HostileBytes): void {
  t.equal(parse(), code, name)
}

attackClasses.forEach((title, index) => {
  const attack = index + 1
  const cases = hostileCorpus.filter((one) => one.attack === attack)
  t.test(`class ${attack}: ${title}`, async (t) => {
    const nodes = { node: new HostileNode(cases), fresh: new HostileNode(cases, 'fresh') }
    const { node } = nodes
    for (const one of cases) {
      if (one.kind === 'module') holdsModule(t, node, one)
      else if (one.kind === 'deployment') holdsDeployment(t, node, one)
      else if (one.kind === 'call') holdsCall(t, nodes, one)
      else holdsBytes(t, one)
      t.same(node.honest(), before, `${one.name}: the node goes on`)
    }
    if (attack === 22) return holdsHotCache(t)
    t.ok(cases.length > 0, 'there is a case')
  })
})

/** Class 22: a hot cache must not go on with old prices, nor may an unknown schedule be guessed. */
function holdsHotCache(t: Test): void {
  const hot = new HostileNode([])
  t.same(hot.honest(), before, 'the cache is hot')
  const { chain } = hot.world
  const row = decodeRow<ChainRow>(chainRow, chain.get(store.chain, onlyKey) as Uint8Array)
  const put = (change: Partial<ChainRow>): void => {
    const value = encodeRow(chainRow, { ...row, ...change })
    chain.state.apply({ state: [{ store: store.chain, key: encodePointKey(onlyKey), value }], index: [] })
  }
  put({ fuelSchedule: 1 })
  t.not(hot.honest().fuelUsed, before.fuelUsed, 'another schedule, other prices')
  for (const change of [{ fuelSchedule: 99 }, { instrumenter: 2 }]) {
    put(change)
    t.equal(faultOf(hot), 'ENGINE_DISAGREES', 'a fault of the node, no receipt')
  }
  put({})
  t.same(hot.honest(), before, 'and with the schedule that it knows it goes on')
}

function faultOf(node: HostileNode): string {
  try {
    return node.honest().code
  } catch (error) {
    return error instanceof NodeFault ? error.code : String(error)
  }
}

t.test('attacks in one block leave the others in it alone', async (t) => {
  const few = runningAttacks.filter(({ attack }) => attack % 3 === 0)
  const node = new HostileNode(few)
  const { world, caller } = node
  const calls = few.map(({ contracts, fuelLimit }) =>
    world.call(caller, Object.keys(contracts)[0], 'go', new Uint8Array(0), {
      fuelLimit: fuelLimit ?? 5_000_000,
    }),
  )
  const { receiptsDecoded } = world.block(calls)
  t.same(
    receiptsDecoded.map(({ status, fuelUsed }) => [codeOfStatus(status), fuelUsed]),
    few.map(({ name, code }) => [code, found[name]]),
  )
  t.same(node.honest(), before)
})

t.test('the README names every case under its class, and every test beside it', async (t) => {
  const text = readFileSync('runtime/execution/hostile/README.md', 'utf8')
  const sections = text.split(/^### /m).slice(1)
  t.equal(sections.length, attackClasses.length)
  attackClasses.forEach((title, index) => {
    const section = sections[index] ?? ''
    t.match(section, new RegExp(`^${index + 1}\\. ${title}\n`))
    const [listed, beside] = section.split('Beside it:')
    const named = [...listed.matchAll(/`([^`]+)`/g)].map(([, name]) => name)
    const cases = hostileCorpus.filter(({ attack }) => attack === index + 1).map(({ name }) => name)
    t.same(named.toSorted(), cases.toSorted(), title)
    for (const [, file, name] of (beside ?? '').matchAll(/`([^`]+\.ts)`: "([^"]+)"/g))
      t.ok(readFileSync(file, 'utf8').includes(name), `${file}: ${name}`)
  })
  t.equal(new Set(hostileCorpus.map(({ name }) => name)).size, hostileCorpus.length, 'no name twice')
  const borrowed = text.slice(text.indexOf('## Borrowed'), text.indexOf('## The classes'))
  for (const [, name] of borrowed.matchAll(/`([^`]+)` \(\d+\)/g))
    t.ok(
      hostileCorpus.some((one) => one.name === name),
      name,
    )
})

t.test('what the engine is given to compile is bounded', async (t) => {
  const largest = prepareModule(straightLine(10_900), contractPolicy, fuelScheduleV1)
  t.ok(largest.ok && largest.value.instrumented.length < moduleLimits.instrumentedBodyBytesMax + 1_024)
  const calls = hostileCorpus.filter((one) => one.kind === 'call')
  t.ok(calls.length >= 50)
})

t.teardown(() => {
  if (isWriting) writeFileSync(vectorFile, `${JSON.stringify(found, undefined, 2)}\n`)
})
