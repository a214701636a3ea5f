// Bounds, order and lane shares of the pool.
import t from 'tap'
import { TransactionPool, type PoolEntry } from './transaction-pool.js'

/** Each entry under a key of its own, unless `key` says otherwise. */
const entry = (id: string, lane: PoolEntry['lane'], length = 10, key = `key-${id}`): PoolEntry => ({
  id,
  lane,
  bundle: new Uint8Array(length),
  slot: `${key}:0:${id}`,
  validUntil: null,
  receivedAt: Number(id) || 0,
  sender: key,
  creditCost: 1,
})

const picked = (pool: TransactionPool, ...limits: Parameters<TransactionPool['pick']>): string[] =>
  pool.pick(...limits).map((item) => item.id)

t.test('keeps each transaction and each sequence slot once', async (t) => {
  const pool = new TransactionPool()
  const first = entry('1', 2)
  t.equal(pool.add(first), 'added')
  t.equal(pool.add(first), 'known')
  t.equal(pool.add({ ...entry('2', 2), slot: first.slot }), 'slot-taken')
  pool.remove('1')
  t.equal(pool.add({ ...entry('2', 2), slot: first.slot }), 'added')
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

t.test('an emergency finds room in the pool, whoever floods the system lane', async (t) => {
  for (const keys of [1, 2, 20]) {
    const pool = new TransactionPool()
    let added = 0
    for (let index = 0; index < 20_000; index += 1)
      if (pool.add(entry(`${index}`, 0, 300, `key-${index % keys}`)) === 'added') added += 1
    t.equal(added, Math.min(keys * 2_000, 5_000), 'a tenth for each key, a quarter for all')
    t.equal(pool.add(entry('e', 1)), 'added')
    t.equal(pool.add(entry('v', 2)), 'added', 'vital signs too')
  }
})

t.test('the last part of the pool is for emergencies alone, to the byte', async (t) => {
  const pool = new TransactionPool({ entriesMax: 1_000, bytesMax: 1_000 })
  const add = (id: string, lane: PoolEntry['lane'], length: number): string =>
    pool.add(entry(id, lane, length))
  for (let index = 0; index < 9; index += 1) t.equal(add(`${index}`, 2, 100), 'added')
  t.equal(add('20', 2, 1), 'full')
  t.equal(add('21', 0, 51), 'full')
  t.equal(add('21', 0, 50), 'added', 'governance has room that vital signs do not fill')
  t.equal(add('22', 0, 1), 'full')
  t.equal(add('23', 1, 50), 'added')
  t.equal(add('24', 1, 1), 'full')
})

t.test('an emergency is in the same block, whoever floods the system lane', async (t) => {
  const pool = new TransactionPool({ entriesMax: 40_000, bytesMax: 64 * 1_048_576 })
  for (let index = 0; index < 5_000; index += 1) pool.add(entry(`${index}`, 0, 300, `key-${index % 5}`))
  pool.add(entry('e', 1, 300))
  const ids = picked(pool, { transactionsMax: 625, bytesMax: 2 * 1_048_576 })
  t.equal(ids.length, 157, 'a quarter of the count, and the emergency')
  t.ok(ids.includes('e'))
})

t.test('a large one of the system lane has its turn, and emergencies fit beside it', async (t) => {
  const limits = { transactionsMax: 10, bytesMax: 100, bytesMaxHard: 200 }
  const pool = new TransactionPool()
  pool.add(entry('1', 0, 176))
  t.same(picked(pool, limits), [], 'it would leave less than a quarter of the target')
  pool.remove('1')
  pool.add(entry('2', 0, 175, 'nurse'))
  pool.add(entry('3', 0, 1, 'other'))
  pool.add(entry('4', 1, 12))
  pool.add(entry('5', 1, 13))
  pool.add(entry('6', 1, 1))
  t.same(picked(pool, limits), ['2', '4', '5'])
})

t.test('an emergency does not wait for what its sender has in the system lane', async (t) => {
  const pool = new TransactionPool()
  pool.add(entry('1', 0, 100, 'nurse'))
  pool.add(entry('2', 1, 10, 'nurse'))
  pool.add(entry('3', 2, 10, 'nurse'))
  t.same(picked(pool, { transactionsMax: 10, bytesMax: 100 }), ['2'])
})

t.test('one key may fill a tenth of it in all lanes but emergency', async (t) => {
  const pool = new TransactionPool({ entriesMax: 40, bytesMax: 1_000 })
  for (const id of ['1', '2', '3', '4']) t.equal(pool.add(entry(id, 2, 10, 'wild')), 'added')
  t.equal(pool.add(entry('5', 3, 10, 'wild')), 'full', 'the fifth of forty')
  t.equal(pool.add(entry('6', 2, 10, 'other')), 'added', 'others go on')
  t.equal(pool.add(entry('7', 1, 10, 'wild')), 'added', 'its emergency is not held back')
  pool.remove('7')
  t.equal(pool.add(entry('5', 2, 10, 'wild')), 'full', 'an emergency that left frees no room')
  pool.remove('1')
  t.equal(pool.add(entry('5', 2, 10, 'wild')), 'added')
  const bytes = new TransactionPool({ entriesMax: 40, bytesMax: 1_000 })
  t.equal(bytes.add(entry('1', 2, 60, 'wild')), 'added')
  t.equal(bytes.add(entry('2', 2, 41, 'wild')), 'full')
  t.equal(bytes.add(entry('2', 2, 40, 'wild')), 'added', 'to the byte')
})

t.test('picks by lane, first come first served, and bulk cannot fill a block', async (t) => {
  const pool = new TransactionPool()
  for (let index = 0; index < 10; index += 1) pool.add(entry(`${100 + index}`, 4, 10))
  pool.add(entry('1', 2))
  pool.add(entry('2', 1))
  pool.add(entry('3', 2))
  const all = picked(pool, { transactionsMax: 100, bytesMax: 100 })
  t.same(all, ['2', '1', '3', '100', '101'], 'bulk takes a quarter of the block')
  t.same(picked(pool, { transactionsMax: 2, bytesMax: 100 }), ['2', '1'])
  t.same(pool.waiting(14), { normal: true, emergency: true, full: false })
})

t.test('a transaction larger than its lane share, or than the target, gets its turn', async (t) => {
  const pool = new TransactionPool()
  pool.add(entry('1', 4, 60))
  t.equal(pool.pick({ transactionsMax: 10, bytesMax: 100 }).length, 1)
  pool.add(entry('2', 2, 300))
  pool.add(entry('3', 2))
  t.same(picked(pool, { transactionsMax: 10, bytesMax: 100, bytesMaxHard: 300 }), ['2'])
  pool.remove('2')
  t.same(picked(pool, { transactionsMax: 10, bytesMax: 100, bytesMaxHard: 300 }), ['3', '1'])
})

t.test('what is too large for this block stops neither its lane nor the others', async (t) => {
  const pool = new TransactionPool()
  pool.add(entry('1', 0, 301))
  pool.add(entry('2', 2, 301))
  pool.add(entry('3', 2))
  pool.add(entry('4', 3))
  t.same(picked(pool, { transactionsMax: 10, bytesMax: 100, bytesMaxHard: 300 }), ['3', '4'])
  t.same(picked(pool, { transactionsMax: 10, bytesMax: 100 }), ['3', '4'])
})

t.test('what a sender signed later never overtakes what is passed over', async (t) => {
  const pool = new TransactionPool()
  pool.add(entry('1', 2, 10))
  pool.add(entry('2', 2, 90, 'sender'))
  pool.add(entry('3', 2, 10, 'sender'))
  pool.add(entry('4', 2, 10))
  t.same(picked(pool, { transactionsMax: 10, bytesMax: 100 }), ['1', '4'])
})

t.test(
  'what is set aside keeps its slot and its place in the bounds, and is proposed by nobody',
  async (t) => {
    const pool = new TransactionPool()
    pool.add(entry('1', 1))
    pool.setAside('1')
    t.same(picked(pool, { transactionsMax: 10, bytesMax: 100 }), [])
    t.same(pool.waiting(1), { normal: false, emergency: false, full: false })
    t.notOk(pool.hasOverdue(1_000, 10), 'no leader is blamed for it')
    t.equal(pool.add(entry('1', 1)), 'known')
    pool.add(entry('2', 2))
    t.ok(pool.hasOverdue(13, 10))
    t.notOk(pool.hasOverdue(12, 10))
    pool.remove('1')
    t.same(pool.waiting(1), { normal: true, emergency: false, full: true })
  },
)

t.test('inside a lane keys take turns: a flood delays itself only', async (t) => {
  const pool = new TransactionPool()
  for (let index = 10; index < 30; index += 1) pool.add(entry(`${index}`, 2, 10, 'flood'))
  pool.add(entry('31', 2, 10, 'quiet'))
  pool.add(entry('32', 2, 10, 'quiet'))
  const limits = { transactionsMax: 4, bytesMax: 1_000 }
  t.same(picked(pool, limits), ['10', '31', '11'], 'the lane takes its share of the count')
  t.same(picked(pool, { ...limits, laneCountMax: { 2: 5 } }), ['10', '31', '11', '32'])
  pool.finalize('10', 40)
  t.same(picked(pool, limits), ['31', '11', '32'], 'whoever was served goes to the end of the line')
})

t.test('an import leaves room for vital signs, and both for emergencies', async (t) => {
  const pool = new TransactionPool({ entriesMax: 100, bytesMax: 100_000 })
  const fill = (from: number, lane: PoolEntry['lane']): number => {
    let count = 0
    while (pool.add(entry(`${from + count}`, lane)) === 'added') count += 1
    return count
  }
  t.same([fill(1_000, 4), fill(2_000, 3), fill(3_000, 2), fill(4_000, 1)], [50, 10, 30, 10])
  t.same(pool.laneCounts, [0, 10, 30, 10, 50])
})

t.test(
  'a leader is blamed for a key that is not served, and for what came later going first',
  async (t) => {
    const pool = new TransactionPool()
    for (const id of ['1', '2', '3', '14']) pool.add(entry(id, 2, 10, 'import'))
    pool.finalize('1', 15)
    t.notOk(pool.hasOverdue(20, 10), 'its key was served just now')
    t.ok(pool.hasOverdue(26, 10), 'not served for longer than the patience')
    pool.finalize('2', 600)
    t.notOk(pool.hasOverdue(603, 10), 'a long queue that moves')
    pool.finalize('14', 604)
    t.ok(pool.hasOverdue(605, 10), 'eleven later, and served before it')
    t.equal(pool.creditOf('import'), 1, 'credit of what left is free again')
  },
)
