// A search is paid as it goes: whoever has too little fuel has few bodies read.
import t from 'tap'
import { codeOfStatus, entityKind, recordKind } from '../protocol/index.js'
import { contractOf, genesisContract, methodsOf, systemContracts } from './test-contracts.fixture.js'
import { admissionOf, observationOf, patientOf, signerOf, World } from './world.fixture.js'

const admin = signerOf('admin')
const monitor = signerOf('monitor', entityKind.source)
const code = '8867-4'
const reader = contractOf(
  {
    alias: 'acme/reader',
    reads: [{ kind: recordKind.observation, codes: [] }],
    methods: methodsOf({ go: 'call' }),
  },
  `(data (i32.const 64) "${code}")
   (func (export "go") (call $input_read (i32.const 0))
     (drop (call $record_query (i32.const ${recordKind.observation}) (i32.const 0) (i32.const 64) (i32.const 6)
       (i64.const 0) (i64.const -1) (i32.const 100))))`,
)

t.test('no body is read that the fuel does not reach to', async (t) => {
  const world = new World({
    signers: [admin, monitor],
    contracts: [...systemContracts, genesisContract(reader)],
  })
  const lisa = patientOf('lisa')
  world.block([world.append(monitor, [admissionOf(lisa)])])
  for (let round = 0; round < 2; round += 1) {
    const effectiveTime = world.time - round * 100
    const readings = Array.from({ length: 25 }, (_, index) =>
      observationOf(lisa, code, 60 + index, { effectiveTime: effectiveTime - index }),
    )
    world.block([world.append(monitor, readings)])
  }
  let bodies = 0
  const bodyOf = world.chain.bodyOf.bind(world.chain)
  world.chain.bodyOf = (id): ReturnType<typeof bodyOf> => {
    bodies += 1
    return bodyOf(id)
  }
  const query = (fuelLimit: number): { end: string | undefined; fuelUsed: number; bodies: number } => {
    bodies = 0
    const block = world.block([world.call(admin, 'acme/reader', 'go', lisa, { fuelLimit })])
    const { status, fuelUsed } = block.receiptsDecoded[0]
    return { end: codeOfStatus(status), fuelUsed, bodies }
  }
  const whole = query(10_000_000)
  t.match(whole, { end: 'OK', bodies: 50 })
  const half = query(whole.fuelUsed - 10_000)
  t.equal(half.end, 'OUT_OF_FUEL')
  t.ok(half.bodies > 0 && half.bodies < 50, `${half.bodies}`)
  // Rows and their count are paid before the first body.
  t.match(query(whole.fuelUsed - 60_000), { end: 'OUT_OF_FUEL', bodies: 0 })
})
