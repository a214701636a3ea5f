import fc from 'fast-check'
import t from 'tap'
import {
  MemoryState,
  Overlay,
  decodeStateKey,
  encodeOrderedKey,
  encodePointKey,
  type OrderedEntry,
} from './index.js'

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values)

t.test('reads see the newest write, the base shows through', async (t) => {
  const base = new MemoryState()
  const first = new Overlay(base)
  first.set('a/b', bytes(1), bytes(10))
  first.set('a/b', bytes(2), bytes(20))
  base.apply(first.writeSet())
  const overlay = new Overlay(base)
  overlay.remove('a/b', bytes(1))
  overlay.set('a/b', bytes(3), bytes(30))
  t.equal(overlay.get('a/b', bytes(1)), undefined)
  t.same(overlay.get('a/b', bytes(2)), bytes(20))
  t.same(overlay.get('a/b', bytes(3)), bytes(30))
  t.equal(overlay.get('a/c', bytes(3)), undefined, 'another store')
})

t.test('keys and values are copied', async (t) => {
  const overlay = new Overlay(new MemoryState())
  const key = bytes(1)
  const value = Buffer.from([7])
  overlay.set('a/b', key, value)
  overlay.orderedPut('a/b', 1, key, 5n, value)
  key[0] = 2
  value[0] = 8
  t.same(overlay.get('a/b', bytes(1)), bytes(7))
  t.same(overlay.scan('a/b', 1, bytes(1), 5n, 5n, 1)[0].value, bytes(7))
})

t.test('frames nest and roll back', async (t) => {
  const overlay = new Overlay(new MemoryState())
  overlay.set('a/b', bytes(1), bytes(1))
  overlay.begin()
  overlay.set('a/b', bytes(1), bytes(2))
  overlay.begin()
  overlay.set('a/b', bytes(1), bytes(3))
  overlay.orderedPut('a/b', 1, bytes(), 1n, bytes(1))
  overlay.indexPut('a/b', 1, bytes(), 1n, bytes(1))
  const revision = overlay.revision('a/b')
  overlay.commit()
  t.equal(overlay.depth, 1)
  t.same(overlay.get('a/b', bytes(1)), bytes(3))
  overlay.rollback()
  t.same(overlay.get('a/b', bytes(1)), bytes(1), 'the inner frame went with the outer one')
  t.same(overlay.scan('a/b', 1, bytes(), 0n, 9n, 9), [])
  t.same(overlay.scanIndex('a/b', 1, bytes(), 0n, 9n, 9), [])
  t.not(overlay.revision('a/b'), revision, 'taking writes back is a change too')
  t.throws(() => overlay.rollback(), { code: 'ASSERTION_FAILED' })
  t.throws(() => overlay.commit(), { code: 'ASSERTION_FAILED' })
  overlay.begin()
  t.throws(() => overlay.writeSet(), { code: 'ASSERTION_FAILED' })
})

t.test('sequences count up within one order; removed rows are gone', async (t) => {
  const base = new MemoryState()
  const first = new Overlay(base)
  t.equal(first.orderedPut('a/b', 1, bytes(), 5n, bytes(1)), 0)
  t.equal(first.orderedPut('a/b', 1, bytes(), 5n, bytes(2)), 1)
  base.apply(first.writeSet())
  const overlay = new Overlay(base)
  t.equal(overlay.orderedPut('a/b', 1, bytes(), 5n, bytes(3)), 2)
  t.equal(overlay.orderedPut('a/b', 1, bytes(), 6n, bytes(4)), 0)
  t.equal(overlay.orderedRemove('a/b', 1, bytes(), 5n, 1), true)
  t.equal(overlay.orderedRemove('a/b', 1, bytes(), 5n, 1), false)
  t.equal(overlay.orderedRemove('a/b', 1, bytes(), 5n, 9), false)
  t.equal(overlay.orderedRemove('a/b', 2, bytes(), 5n, 0), false)
  t.equal(overlay.indexPut('a/b', 1, bytes(), 5n, bytes(9)), 0, 'index tables are a space of their own')
  t.equal(overlay.indexRemove('a/b', 1, bytes(), 5n, 0), true)
  t.same(
    overlay.scan('a/b', 1, bytes(), 0n, 9n, 9).map((row) => row.value[0]),
    [1, 3, 4],
  )
  t.same(
    overlay.scan('a/b', 1, bytes(), 0n, 9n, 2, true).map((row) => row.value[0]),
    [4, 3],
  )
  t.same(overlay.scan('a/b', 1, bytes(), 6n, 5n, 9), [])
  t.same(overlay.scan('a/b', 1, bytes(), 0n, 9n, 0), [])
})

type Step =
  | { kind: 'put'; partition: number; order: number }
  | { kind: 'remove'; partition: number; order: number; sequence: number }
  | { kind: 'begin' | 'commit' | 'rollback' | 'block' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('put' as const), partition: fc.nat(1), order: fc.nat(4) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('remove' as const),
      partition: fc.nat(1),
      order: fc.nat(4),
      sequence: fc.nat(2),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('begin', 'commit', 'rollback', 'block') }) },
)

/** The plainest possible model: a stack of whole copies. */
class ModelTable {
  stack = [new Map<string, { partition: number; row: OrderedEntry }>()]
  /** Highest sequence that was there in this block, by partition and order: a removed one is not reused. */
  used = [new Map<string, number>()]
  get top(): Map<string, { partition: number; row: OrderedEntry }> {
    return this.stack[this.stack.length - 1]
  }
  lastUsed(partition: number, order: number): number {
    return this.used[this.used.length - 1].get(`${partition}.${order}`) ?? -1
  }
  use(partition: number, order: number, sequence: number): void {
    const highest = Math.max(sequence, this.lastUsed(partition, order))
    this.used[this.used.length - 1].set(`${partition}.${order}`, highest)
  }
  begin(): void {
    this.stack.push(new Map(this.top))
    this.used.push(new Map(this.used[this.used.length - 1]))
  }
  end(isCommit: boolean): void {
    const top = this.stack.pop() ?? new Map<string, never>()
    const used = this.used.pop() ?? new Map<string, number>()
    if (!isCommit) return
    this.stack[this.stack.length - 1] = top
    this.used[this.used.length - 1] = used
  }
  rows(partition: number): OrderedEntry[] {
    const rows = [...this.top.values()]
      .filter((entry) => entry.partition === partition)
      .map((entry) => entry.row)
    return rows.sort((a, b) => Number(a.order - b.order) || a.sequence - b.sequence)
  }
}

function runStep(overlay: Overlay, model: ModelTable, at: number, step: Step): string | undefined {
  if (step.kind === 'put') {
    const same = model.rows(step.partition).filter((row) => row.order === BigInt(step.order))
    const last = same.length === 0 ? -1 : same[same.length - 1].sequence
    const expected = Math.max(last, model.lastUsed(step.partition, step.order)) + 1
    model.use(step.partition, step.order, expected)
    const row = { order: BigInt(step.order), sequence: expected, value: bytes(at) }
    const given = overlay.orderedPut('s/s', 1, bytes(step.partition), row.order, row.value)
    if (given !== expected) return `sequence ${given} instead of ${expected}`
    model.top.set(`${step.partition}.${step.order}.${expected}`, { partition: step.partition, row })
  } else if (step.kind === 'remove') {
    const existed = model.top.delete(`${step.partition}.${step.order}.${step.sequence}`)
    if (existed) model.use(step.partition, step.order, step.sequence)
    const order = BigInt(step.order)
    if (overlay.orderedRemove('s/s', 1, bytes(step.partition), order, step.sequence) !== existed)
      return 'removed'
  } else if (step.kind === 'begin') {
    overlay.begin()
    model.begin()
  } else if (overlay.depth > 0 && step.kind !== 'block') {
    model.end(step.kind === 'commit')
    overlay[step.kind]()
  }
  return undefined
}

t.test('any sequence of writes and frames reads like the model, across blocks', async (t) => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.nat(5),
      fc.nat(5),
      fc.nat(4),
      (steps, from, to, limit) => {
        const base = new MemoryState()
        const model = new ModelTable()
        let overlay = new Overlay(base)
        for (const [at, step] of steps.entries()) {
          const failure = runStep(overlay, model, at, step)
          if (failure !== undefined) throw new Error(failure)
          if (step.kind === 'block' && overlay.depth === 0) {
            base.apply(overlay.writeSet())
            overlay = new Overlay(base)
            model.used = [new Map<string, number>()]
          }
          for (const partition of [0, 1]) {
            const inRange = model.rows(partition).filter((row) => row.order >= from && row.order <= to)
            const range = [bytes(partition), BigInt(from), BigInt(to), limit] as const
            const shown = (rows: OrderedEntry[]): string =>
              rows.map((row) => `${row.order}.${row.sequence}.${row.value[0]}`).join(' ')
            if (shown(overlay.scan('s/s', 1, ...range)) !== shown(inRange.slice(0, limit)))
              throw new Error('up')
            const down = inRange.reverse().slice(0, limit)
            if (shown(overlay.scan('s/s', 1, ...range, true)) !== shown(down)) throw new Error('down')
          }
        }
      },
    ),
    { numRuns: 300 },
  )
  t.pass('300 runs')
})

t.test(
  'a write set is sorted by store and key bytes, and does not depend on the order of writes',
  async (t) => {
    const write = fc.tuple(fc.constantFrom('a/a', 'a/b', '$z', 'b/a'), fc.uint8Array({ maxLength: 3 }))
    fc.assert(
      fc.property(
        fc.uniqueArray(write, { selector: ([store, key]) => `${store} ${key.join()}` }),
        (writes) => {
          const shown = (list: typeof writes): string => {
            const overlay = new Overlay(new MemoryState())
            for (const [store, key] of list) overlay.set(store, key, key)
            return overlay
              .writeSet()
              .state.map((each) => `${each.store}:${Buffer.from(each.key).toString('hex')}`)
              .join()
          }
          const lines = shown(writes).split(',')
          const byBytes = [...lines].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
          return shown(writes) === shown([...writes].reverse()) && lines.join() === byBytes.join()
        },
      ),
    )
    t.pass()
  },
)

t.test('state keys decode to what made them, and nothing else decodes', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (any) => {
      const key = decodeStateKey(any)
      if (key === undefined) return true
      const again =
        key.kind === 'point'
          ? encodePointKey(key.key)
          : encodeOrderedKey(key.table, key.partition, key.order, key.sequence)
      return Buffer.compare(again, any) === 0
    }),
  )
  t.same(
    encodeOrderedKey(3, bytes(9, 8), 0x0102n, 5),
    bytes(1, 3, 0, 2, 9, 8, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 5),
  )
  t.throws(() => encodeOrderedKey(256, bytes(), 0n, 0), { code: 'ASSERTION_FAILED' })
  t.throws(() => encodeOrderedKey(1, bytes(), -1n, 0), { code: 'ASSERTION_FAILED' })
  t.throws(() => encodeOrderedKey(1, bytes(), 2n ** 64n, 0), { code: 'ASSERTION_FAILED' })
  t.throws(() => encodeOrderedKey(1, bytes(), 0n, 2 ** 32), { code: 'ASSERTION_FAILED' })
  t.doesNotThrow(() => encodeOrderedKey(255, new Uint8Array(1_024), 2n ** 64n - 1n, 2 ** 32 - 1))
  t.throws(() => encodeOrderedKey(1, new Uint8Array(1_025), 0n, 0), { code: 'ASSERTION_FAILED' })
  t.throws(() => encodePointKey(new Uint8Array(4_097)), { code: 'ASSERTION_FAILED' })
  t.throws(() => new Overlay(new MemoryState()).set('', bytes(), bytes()), { code: 'ASSERTION_FAILED' })
  t.throws(() => new Overlay(new MemoryState()).set('ä', bytes(), bytes()), { code: 'ASSERTION_FAILED' })
})

/** A base that counts what it is made to read. */
class CountingState extends MemoryState {
  rowsRead = 0
  override scan(...scan: Parameters<MemoryState['scan']>): OrderedEntry[] {
    const rows = super.scan(...scan)
    this.rowsRead += rows.length
    return rows
  }
}

/** A base with so many rows of one order. */
function rowsOfOneOrder(count: number): CountingState {
  const state = [...Array(count).keys()].map((sequence) => ({
    store: 'a/b',
    key: encodeOrderedKey(1, bytes(), 5n, sequence),
    value: bytes(sequence & 255),
  }))
  const base = new CountingState()
  base.apply({ state, index: [] })
  return base
}

t.test('no write or removal reads more than a row, whatever lies there', async (t) => {
  const base = rowsOfOneOrder(2_000)
  const overlay = new Overlay(base)
  t.equal(overlay.orderedRemove('a/b', 1, bytes(), 5n, 0xffff_ffff), false)
  t.equal(overlay.orderedRemove('a/b', 1, bytes(), 5n, 1_999), true)
  t.equal(overlay.orderedRemove('a/b', 1, bytes(), 5n, 1_999), false, 'gone')
  t.ok(base.rowsRead <= 3, `${base.rowsRead} rows read`)
  t.equal(
    overlay.orderedPut('a/b', 1, bytes(), 5n, bytes(1)),
    2_000,
    'the place of a removed row stays empty',
  )
  for (let index = 0; index < 1_000; index += 1) overlay.orderedPut('a/b', 1, bytes(), 5n, bytes(1))
  t.ok(base.rowsRead <= 1_010, `${base.rowsRead} rows read for 1,001 writes`)
})

t.test('a part of a scan looks at no more of the base than asked', async (t) => {
  const base = rowsOfOneOrder(500)
  const overlay = new Overlay(base)
  for (let sequence = 0; sequence < 400; sequence += 1)
    overlay.orderedRemove('a/b', 1, bytes(), 5n, sequence)
  overlay.orderedPut('a/b', 1, bytes(), 4n, bytes(9))
  base.rowsRead = 0
  const first = overlay.scanPart('a/b', 1, bytes(), 0n, 9n, 8, 0)
  t.same([first.rows.length, base.rowsRead], [1, 8], 'the row before, and hidden ones')
  t.same(first.next, { order: 5n, sequence: 8 })
  t.equal(first.looked, 9, 'hidden rows are counted for the price')
  let found = 0
  let looked = 0
  let next: ReturnType<Overlay['scanPart']>['next'] = { order: 0n, sequence: 0 }
  while (next !== undefined) {
    const part: ReturnType<Overlay['scanPart']> = overlay.scanPart(
      'a/b',
      1,
      bytes(),
      next.order,
      9n,
      8,
      next.sequence,
    )
    found += part.rows.length
    looked += part.looked
    next = part.next
  }
  t.same([found, looked], [101, 501], 'all of it, once')
  t.equal(overlay.scan('a/b', 1, bytes(), 0n, 9n, 1_000).length, 101)
  t.equal(overlay.scan('a/b', 1, bytes(), 0n, 9n, 3, true)[0].sequence, 499)
})
