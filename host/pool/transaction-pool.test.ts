// Bounds, order and lane shares of the pool.
import t from 'tap'
import { TransactionPool, type PoolEntry } from './transaction-pool.js'

const entry = (id: string, lane: PoolEntry['lane'], length = 10): PoolEntry => ({
  id,
  lane,
  bundle: new Uint8Array(length),
  slot: `slot-${id}`,
  receivedAt: Number(id) || 0,
})

t.test('keeps each transaction and each sequence slot once', async (t) => {
  const pool = new TransactionPool()
  t.equal(pool.add(entry('1', 2)), 'added')
  t.equal(pool.add(entry('1', 2)), 'known')
  t.equal(pool.add({ ...entry('2', 2), slot: 'slot-1' }), 'slot-taken')
  pool.remove('1')
  t.equal(pool.add({ ...entry('2', 2), slot: 'slot-1' }), 'added')
  t.equal(pool.size, 1)
})

t.test('is bounded, and keeps room for emergencies', async (t) => {
  const pool = new TransactionPool({ entriesMax: 10, bytesMax: 1_000 })
  for (let index = 0; index < 9; index += 1) t.equal(pool.add(entry(`${index}`, 2)), 'added')
  t.equal(pool.add(entry('9', 2)), 'full')
  t.equal(pool.add(entry('10', 1)), 'added')
  t.equal(pool.add(entry('11', 1)), 'full')
  const bytes = new TransactionPool({ entriesMax: 10, bytesMax: 100 })
  t.equal(bytes.add(entry('1', 2, 91)), 'full')
  t.equal(bytes.add(entry('1', 1, 91)), 'added')
})

t.test('picks by lane, first come first served, and bulk cannot fill a block', async (t) => {
  const pool = new TransactionPool()
  for (let index = 0; index < 10; index += 1) pool.add(entry(`${100 + index}`, 4, 10))
  pool.add(entry('1', 2))
  pool.add(entry('2', 1))
  pool.add(entry('3', 2))
  const picked = pool.pick({ transactionsMax: 100, bytesMax: 100 }).map((item) => item.id)
  t.same(picked, ['2', '1', '3', '100', '101'], 'bulk takes a quarter of the block')
  t.same(
    pool.pick({ transactionsMax: 2, bytesMax: 100 }).map((item) => item.id),
    ['2', '1'],
  )
  t.same(pool.waiting(14), { normal: true, emergency: true, full: false })
  t.equal(pool.oldestReceivedAt(), 100)
})

t.test('a transaction larger than its lane share still gets its turn', async (t) => {
  const pool = new TransactionPool()
  pool.add(entry('1', 4, 60))
  t.equal(pool.pick({ transactionsMax: 10, bytesMax: 100 }).length, 1)
})
