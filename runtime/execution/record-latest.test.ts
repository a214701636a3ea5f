// `record_latest` against a plain model: the newest record of each code that nothing beside it corrects,
// whatever lies in earlier blocks, in this block, and outside the range.
import t from 'tap'
import { codeOfStatus, decodeBorsh, entityKind, recordKind, recordView } from '../protocol/index.js'
import { contractOf, genesisContract, methodsOf, systemContracts } from './test-contracts.fixture.js'
import { admissionOf, hex, observationOf, patientOf, signerOf, World } from './world.fixture.js'

const lisa = patientOf('lisa')
const monitor = signerOf('monitor', entityKind.source)
const versionsMax = 6

/** record_latest with (kind u8, patient 16, from u64, to u64, codes) as its argument. */
const asker = contractOf(
  {
    alias: 'acme/latest',
    reads: [{ kind: recordKind.observation, codes: ['a', 'b', 'c'] }],
    methods: methodsOf({ go: 'call' }),
  },
  `(func (export "go")
     (call $input_read (i32.const 0))
     (drop (call $record_latest (i32.load8_u (i32.const 0)) (i32.const 1) (i32.const 33)
       (i32.sub (call $input_len) (i32.const 33)) (i64.load (i32.const 17)) (i64.load (i32.const 25))))
     (call $result_read (i32.const 1024)) (call $return_set (i32.const 1024) (call $result_len)))`,
)

interface Entry {
  id: Uint8Array
  code: string
  time: number
  number: number
  supersedes: Uint8Array | undefined
}

const founded = (): World => {
  const world = new World({ signers: [monitor], contracts: [...systemContracts, genesisContract(asker)] })
  world.block([world.append(monitor, [admissionOf(lisa)])])
  return world
}

function ask(world: World, from: number, to: number, codes: string): Uint8Array {
  const args = Buffer.alloc(33 + codes.length)
  args[0] = recordKind.observation
  args.set(lisa, 1)
  args.writeBigUInt64LE(BigInt(from), 17)
  args.writeBigUInt64LE(BigInt(to), 25)
  args.write(codes, 33, 'latin1')
  return world.call(monitor, 'acme/latest', 'go', args)
}

function answered(returned: Uint8Array | undefined): string[] {
  const decoded = decodeBorsh({ vec: recordView }, returned as Uint8Array)
  if (!decoded.ok) throw new Error(decoded.code)
  return (decoded.value as { id: Uint8Array }[]).map(({ id }) => hex(id))
}

function expected(entries: readonly Entry[], from: number, to: number, codes: readonly string[]): string[] {
  return codes.flatMap((code) => {
    const versions = entries
      .filter((entry) => entry.code === code && entry.time >= from && entry.time <= to)
      .sort((left, right) => right.time - left.time || right.number - left.number)
      .slice(0, versionsMax)
    const current = versions.find(
      ({ id }) =>
        !versions.some(({ supersedes }) => supersedes !== undefined && hex(supersedes) === hex(id)),
    )
    return current === undefined ? [] : [hex(current.id)]
  })
}

t.test('gives the newest current record of each code, across blocks and within one', async (t) => {
  const world = founded()
  const entries: Entry[] = []
  let seed = 7
  const next = (count: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return (seed >>> 8) % count
  }
  let corrections = 0
  for (let round = 0; round < 12; round += 1) {
    const records = Array.from({ length: 4 }, () => {
      const code = 'abd'[next(3)]
      const earlier = entries.filter((entry) => entry.code === code)
      const effectiveTime = 100 * next(8)
      const record = observationOf(lisa, code, round, { effectiveTime })
      if (earlier.length === 0 || next(3) > 0) return record
      corrections += 1
      return { ...record, supersedes: earlier[Math.max(0, earlier.length - 1 - next(3))].id }
    })
    const ranges = Array.from({ length: 4 }, () => [100 * next(6), 100 * (2 + next(7))] as const)
    const block = world.block([
      world.append(monitor, records),
      ...ranges.map(([from, to]) => ask(world, from, to, 'b\na\nc')),
    ])
    for (const { id, header, number } of block.records) {
      const { code, effectiveTime: time, supersedes } = header
      entries.push({ id, code, time, number, supersedes })
    }
    ranges.forEach(([from, to], index) => {
      const wanted = expected(entries, from, to, ['b', 'a', 'c'])
      t.same(answered(block.receiptsDecoded[index + 1].returned), wanted, `round ${round}: ${from}..${to}`)
    })
  }
  t.ok(corrections > 5, 'corrections occur')
})

t.test('refuses what the manifest does not read, and codes that are none', async (t) => {
  const world = founded()
  const code = (codes: string): string =>
    codeOfStatus(world.block([ask(world, 0, 9, codes)]).receiptsDecoded[0].status) ?? ''
  t.equal(code('a\nd'), 'NOT_IN_MANIFEST')
  t.equal(code(''), 'ARGUMENT_INVALID', 'an empty code would be every code')
  t.equal(code('a\n'), 'ARGUMENT_INVALID')
  t.equal(code('a\x01'), 'ARGUMENT_INVALID')
  t.equal(code(Array<string>(33).fill('a').join('\n')), 'ARGUMENT_INVALID')
  t.equal(code(Array<string>(32).fill('a').join('\n')), 'OK')
})
