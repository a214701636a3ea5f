// The cache answers exactly as the rows that it stands for would, whatever comes in between.
import fc from 'fast-check'
import t from 'tap'
import { encodeOrderedKey, orderMax, type OrderedEntry } from '../../runtime/state/index.js'
import type { ExecutedBlock } from '../../runtime/execution/index.js'
import { RecordCache } from './record-cache.js'

const table = 1
const partition = new Uint8Array([9, 9])
const newestFirst = (left: OrderedEntry, right: OrderedEntry): number =>
  left.order === right.order ? right.sequence - left.sequence : left.order < right.order ? 1 : -1

/** The partition as the store would hold it. */
class Model {
  rows: OrderedEntry[] = []
  scan(from: bigint, to: bigint, limit: number): OrderedEntry[] {
    const inRange = this.rows.filter((row) => row.order >= from && row.order <= to)
    return inRange.sort(newestFirst).slice(0, limit)
  }
}

const blockOf = (rows: OrderedEntry[]): ExecutedBlock =>
  ({
    records: [],
    writeSet: {
      state: [],
      index: rows.map(({ order, sequence, value }) => {
        return { store: '$record', key: encodeOrderedKey(table, partition, order, sequence), value }
      }),
    },
  }) as unknown as ExecutedBlock

const step = fc.oneof(
  fc.record({ add: fc.array(fc.nat(60), { minLength: 1, maxLength: 200 }) }),
  fc.record({ from: fc.nat(60), to: fc.nat(60), limit: fc.integer({ min: 1, max: 20 }) }),
)

t.test('a query through the cache equals a query of the store', async (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const cache = new RecordCache()
      const model = new Model()
      let sequence = 0
      for (const item of steps) {
        if ('add' in item) {
          const rows = item.add.map((order): OrderedEntry => {
            sequence += 1
            return { order: BigInt(order), sequence, value: new Uint8Array([sequence & 255]) }
          })
          model.rows.push(...rows)
          cache.onCommit(blockOf(rows), false)
          continue
        }
        const range = { from: BigInt(item.from), to: BigInt(item.to), limit: item.limit }
        const found = cache.newest(table, partition, range, (count) => model.scan(0n, orderMax, count))
        const expected = model.scan(range.from, range.to, range.limit)
        if (found === undefined) continue
        if (found.length !== expected.length) return false
        if (found.some((row, index) => newestFirst(row, expected[index]) !== 0)) return false
      }
      return true
    }),
    { numRuns: 300 },
  )
  t.pass()
})

t.test('an erasure empties it', async (t) => {
  const cache = new RecordCache()
  const id = new Uint8Array(32)
  const body = { salt: new Uint8Array(16), content: new Uint8Array([1]) }
  t.equal(
    cache.body(id, () => body),
    body,
  )
  t.equal(
    cache.body(id, () => 'erased'),
    body,
    'kept while nothing was erased',
  )
  cache.onCommit(blockOf([]), true)
  t.equal(
    cache.body(id, () => 'erased'),
    'erased',
  )
})
