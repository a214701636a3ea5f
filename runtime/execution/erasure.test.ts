// What an erased patient leaves behind: timers that no longer run and are nobody's fault.
import t from 'tap'
import {
  codeOfStatus,
  entityKind,
  kernelCommandSchemas,
  kernelCommandTag,
  recordKind,
  type Schema,
} from '../protocol/index.js'
import type { ExecutedBlock } from './index.js'
import { contractOf, genesisContract, methodsOf, systemContracts } from './test-contracts.fixture.js'
import {
  admissionOf,
  borsh,
  genesisTime,
  observationOf,
  patientOf,
  signerOf,
  World,
} from './world.fixture.js'

const admin = signerOf('admin')
const monitors = ['a', 'b', 'c'].map((name) => signerOf(name, entityKind.source))
const patients = ['lisa', 'otto', 'paul'].map(patientOf)

function erase(world: World, patient: Uint8Array): Uint8Array {
  const schema = kernelCommandSchemas.get(kernelCommandTag.erasePatient) as Schema
  const args = Buffer.concat([Buffer.from([kernelCommandTag.erasePatient]), borsh(schema, { patient })])
  return world.call(admin, 'ward/governance', 'command', args)
}

const codes = ({ receiptsDecoded }: ExecutedBlock): (string | undefined)[] =>
  receiptsDecoded.map(({ status }) => codeOfStatus(status))

t.test('timers of erased patients do not run, and the rule goes on for everybody else', async (t) => {
  const due = genesisTime + 3_000_000
  const rule = contractOf(
    {
      alias: 'acme/score',
      tables: [{ id: 0, name: 'score', patient: true }],
      subscriptions: [{ kind: recordKind.observation, codes: [], method: 'onAny', priority: 1 }],
      methods: methodsOf({ onAny: 'record', ring: 'timer' }),
    },
    `(data (i32.const 60000) "ring")
     (func (export "onAny") (call $input_read (i32.const 0))
       (call $timer_set (i64.const ${due}) (i32.const 60000) (i32.const 4) (i32.const 0) (i32.const 16) (i64.const 0)))
     (func (export "ring") (call $input_read (i32.const 0))
       (call $state_set (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 100) (i32.const 1)))`,
  )
  const world = new World({
    signers: [admin, ...monitors],
    contracts: [...systemContracts, genesisContract(rule)],
  })
  world.block([world.append(monitors[0], patients.map(admissionOf))])
  const read = (patient: Uint8Array, index = 0): Uint8Array =>
    world.append(monitors[index], [observationOf(patient, '8867-4', 80)])
  world.block(patients.map(read))
  t.same(codes(world.block(patients.map((patient) => erase(world, patient)))), ['OK', 'OK', 'OK'])
  const rung = world.block([], { time: due + 10 })
  t.same(codes(rung), ['ERASED', 'ERASED', 'ERASED'])
  t.same(
    rung.receiptsDecoded.map(({ fuelUsed, events }) => [fuelUsed, events.length]),
    [1, 2, 3].map(() => [0, 0]),
  )
  t.equal(rung.result.nextDueTime, 0, 'and they are gone')
  const nina = patientOf('nina')
  world.block([world.append(monitors[0], [admissionOf(nina)])])
  t.same(codes(world.block([read(nina)])), ['OK', 'OK'])
})

t.test('many rows of an erased patient go in slices, and none is searched again', async (t) => {
  const count = 2_500
  const diary = contractOf(
    {
      alias: 'acme/diary',
      tables: [{ id: 0, name: 'entries', patient: true }],
      methods: methodsOf({ go: 'call' }),
    },
    `(func (export "go") (local $n i32) (call $input_read (i32.const 0))
       (loop $more
         (call $ordered_put (i32.const 0) (i32.const 0) (i32.const 16) (i64.extend_i32_u (local.get $n)) (i32.const 0) (i32.const 8))
         (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const ${count})))))`,
  )
  const world = new World({
    signers: [admin, monitors[0]],
    contracts: [...systemContracts, genesisContract(diary)],
  })
  world.block([world.append(monitors[0], patients.map(admissionOf))])
  for (const patient of patients.slice(0, 2))
    t.same(
      codes(world.block([world.call(admin, 'acme/diary', 'go', patient, { fuelLimit: 200_000_000 })])),
      ['OK'],
    )
  const rowsOf = (patient: Uint8Array): number =>
    world.chain.scan('acme/diary', 0, patient, 0n, 9_999n, 9_999).length
  const left: number[] = []
  let read = 0
  const scan = world.chain.scan.bind(world.chain)
  world.chain.scan = (...place): ReturnType<typeof scan> => {
    const rows = scan(...place)
    if (place[0] === 'acme/diary') read += rows.length
    return rows
  }
  let block = world.block([erase(world, patients[0])])
  for (; block.result.nextDueTime === world.time; block = world.block([]))
    left.push(block.writeSet.state.length)
  world.chain.scan = scan
  t.equal(left.length, 2, 'three blocks in all')
  t.ok(Math.max(...left) < 1_100, `${Math.max(...left)} writes`)
  t.equal(read, 2 * count, 'each is found once, and looked at once to be removed')
  t.equal(rowsOf(patients[0]), 0)
  t.equal(rowsOf(patients[1]), count)
  t.equal(block.result.nextDueTime, 0)
})
