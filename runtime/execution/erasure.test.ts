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
