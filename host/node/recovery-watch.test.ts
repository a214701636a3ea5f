// A lying peer beside an honest one: whatever it sends, the honest one's notice is heard.
import t from 'tap'
import { RecoveryBook } from '../executor/recovery-book.js'
import {
  chainId,
  entity,
  fieldsOf,
  institution,
  manifestOf,
  NotesInMemory,
  noticeOf,
  state,
} from '../executor/recovery.fixture.js'
import type { ExecutorCalls, ExecutorMethod } from '../executor/messages.js'
import { RecoveryWatch } from './recovery-watch.js'

const at = { chainId, epoch: 0, height: 8, blockHash: new Uint8Array(32) }
const fields = fieldsOf(1, 10, [1, 2, 5])

/** A watch over a real book; what an executor would do with the calls that a watch makes. */
function watchOf(notes: NotesInMemory, hasVote: boolean) {
  const book = new RecoveryBook(notes)
  const seen = { stopped: [] as string[], apart: 0, calls: 0, hearing: undefined as unknown }
  const call = async (method: ExecutorMethod, argument: unknown): Promise<unknown> => {
    seen.calls += 1
    if (method === 'hear') {
      const { notice } = argument as ExecutorCalls['hear'][0]
      return book.hear(notice, at, state, hasVote)
    }
    if (method !== 'recover') throw new Error(method)
    const { manifest, isTrial } = argument as ExecutorCalls['recover'][0]
    return book.take(manifest, at, state, isTrial)
  }
  const watch = new RecoveryWatch({
    executor: { call: call as never },
    entity: entity(1),
    logger: { warn: () => undefined, error: () => undefined },
    stop: (code) => void seen.stopped.push(code),
    apart: async (work) => {
      seen.apart += 1
      return work()
    },
    laterMs: 1,
  })
  t.teardown(() => watch.close())
  return { watch, book, seen }
}

const turns = async (isDone: () => boolean): Promise<void> => {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 1))
}

t.test('a thousand lies of one peer do not silence another', async (t) => {
  const { watch, seen } = watchOf(new NotesInMemory(), true)
  for (let number = 0; number < 1_000; number += 1) {
    const manifest = manifestOf({ ...fields, reason: `lie ${number}` }, institution.slice(0, 1))
    watch.port.heard(noticeOf(fields, { manifest }), 'liar')
  }
  watch.port.heard(noticeOf(fields), 'honest')
  await turns(() => seen.stopped.length > 0)
  t.same(seen.stopped, ['OLD_EPOCH'])
  t.ok(seen.calls <= 129, `${seen.calls} checks: what one peer has waiting is bounded`)
})

t.test('the same refused bytes again cost nothing', async (t) => {
  const { watch, seen } = watchOf(new NotesInMemory(), true)
  const manifest = manifestOf(fields, institution.slice(0, 1))
  watch.port.heard(noticeOf(fields, { manifest }), 'liar')
  await turns(() => seen.calls === 1)
  await new Promise((resolve) => setImmediate(resolve))
  watch.port.heard(noticeOf(fields, { manifest }), 'liar')
  watch.port.heard(noticeOf(fields), 'honest')
  await turns(() => seen.stopped.length > 0)
  t.equal(seen.calls, 2)
})

t.test('a disk that was full is tried again, though the peer says it only once', async (t) => {
  for (const hasVote of [true, false]) {
    const notes = new NotesInMemory()
    const { watch, book, seen } = watchOf(notes, hasVote)
    notes.isFull = true
    watch.port.heard(noticeOf(fields), 'honest')
    await turns(() => seen.calls >= 2)
    t.same(seen.stopped, [])
    t.equal(book.kept.length, 0)
    notes.isFull = false
    await turns(() => (hasVote ? seen.stopped.length > 0 : book.kept.length > 0))
    t.equal(book.kept.length, hasVote ? 0 : 1)
  }
})

t.test('a manifest that the operator gives is taken while the driver is away, or not at all', async (t) => {
  const { watch, book, seen } = watchOf(new NotesInMemory(), true)
  t.match(await watch.take(manifestOf(fields, [])), { ok: false, code: 'INSTITUTION_KEYS_NEEDED' })
  t.equal(seen.apart, 0, 'a refused one does not disturb the driver')
  t.match(await watch.take(manifestOf(fields)), { ok: true, value: { epoch: 1, isNew: true } })
  t.equal(seen.apart, 1)
  t.equal(book.kept.length, 1)
  t.match(await watch.take(manifestOf(fields)), { ok: true, value: { isNew: false } })
  t.equal(seen.apart, 1)
})
