// Kept rows: what a block writes takes the place of what was kept, absence included.
import t from 'tap'
import { addErasure, addWaking } from '../../runtime/execution/chores.js'
import type { Kernel } from '../../runtime/execution/kernel.js'
import { encodePointKey, MemoryState, Overlay } from '../../runtime/state/index.js'
import { forgetsRows, undoBytes } from './erased-rows.js'
import { RowCache } from './row-cache.js'

const key = new Uint8Array([7])
const row = (byte: number, byteCount = 1): Uint8Array => new Uint8Array(byteCount).fill(byte)

t.test('a row is read once, and follows what final blocks write', async (t) => {
  const cache = new RowCache()
  let reads = 0
  const read = (table: string, value: Uint8Array | undefined): Uint8Array | undefined =>
    cache.get(table, key, () => {
      reads += 1
      return value
    })
  const write = (store: string, value: Uint8Array | undefined): void =>
    cache.onCommit([{ store, key: encodePointKey(key), value }], false)

  t.same(read('$key', row(1)), row(1))
  t.same(read('$key', row(9)), row(1), 'kept')
  t.equal(read('$patient', undefined), undefined)
  t.equal(read('$patient', row(9)), undefined, 'absence is kept too')
  t.equal(reads, 2)

  write('$key', row(2))
  write('$patient', row(3))
  write('$sequence', row(4))
  t.same(read('$key', row(9)), row(2))
  t.same(read('$patient', row(9)), row(3))
  t.same(read('$sequence', row(5)), row(5), 'what was not kept is read')
  write('$key', undefined)
  t.equal(read('$key', row(9)), undefined, 'a removal')
  write('$key', row(1, 4_096))
  t.same(read('$key', row(6)), row(6), 'a large row is not kept')

  cache.onCommit([], true)
  t.same(read('$patient', row(8)), row(8), 'an erasure empties everything')
})

t.test(
  'while rows of an erased patient are taken away, no journal is kept that would bring them back',
  async (t) => {
    const state = new MemoryState()
    const enqueue = (add: (kernel: Kernel) => void): void => {
      const overlay = new Overlay(state)
      add({ overlay, height: 5 } as unknown as Kernel)
      state.apply(overlay.writeSet())
    }
    const writes = { state: [{ store: 'a/b', key: encodePointKey(key), value: undefined }], index: [] }
    t.notOk(forgetsRows(state, writes.state))
    enqueue((kernel) => addWaking(kernel, 'ward/alerts'))
    t.notOk(forgetsRows(state, writes.state), 'timers that wake are other work of slices')
    t.ok(undoBytes(state, writes, 6))
    enqueue((kernel) => addErasure(kernel, new Uint8Array(16).fill(3)))
    t.ok(forgetsRows(state, writes.state))
    t.equal(undoBytes(state, writes, 6), undefined)
  },
)
