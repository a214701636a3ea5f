// What a manifest from a peer may do to a node: nothing without a block of its epoch, whoever signed it.
import t from 'tap'
import { recoveriesNote } from './block-write.js'
import { encodeManifests, RecoveryBook } from './recovery-book.js'
import {
  chainId,
  fieldsOf,
  institution,
  manifestOf,
  NotesInMemory,
  noticeOf,
  paperOf,
  state,
} from './recovery.fixture.js'

const at = (height: number, epoch = 0) => ({
  ...{ chainId, epoch, height },
  blockHash: new Uint8Array(32).fill(height),
})
const fields = fieldsOf(1, 10, [1, 2, 5])

t.test('a manifest that was never used stops nobody, wherever the chain is', async (t) => {
  const book = new RecoveryBook(new NotesInMemory())
  const paper = paperOf(manifestOf(fields))
  for (const height of [3, 10, 500])
    for (const hasVote of [true, false])
      t.match(book.hear(paper, at(height), state, hasVote), { verdict: 'paper', epoch: 1 }, `at ${height}`)
  const forged: [string, Uint8Array][] = [
    ['too few of the new set', noticeOf(fields, { signers: [1] })],
    ['others than the new set', noticeOf(fields, { signers: [3, 4, 6] })],
    ['a block of the old epoch', noticeOf(fields, { header: { epoch: 0 } })],
    ['the base itself', noticeOf(fields, { header: { height: 10 } })],
    ['another branch', noticeOf(fields, { header: { parentHash: new Uint8Array(32) } })],
    ['another set', noticeOf(fields, { header: { validatorsHash: new Uint8Array(32) } })],
    ['another chain', noticeOf(fields, { header: { chainId: new Uint8Array(32) } })],
  ]
  for (const [what, notice] of forged)
    t.match(book.hear(notice, at(500), state, true), { verdict: 'paper' }, what)
  t.equal(book.told(0), null)
})

t.test('with a block of its epoch it stops who votes, and moves who does not', async (t) => {
  const notes = new NotesInMemory()
  const book = new RecoveryBook(notes)
  const notice = noticeOf(fields)
  t.match(book.hear(notice, at(8), state, false), { verdict: 'move', epoch: 1, baseHeight: 10 })
  t.equal(book.told(0), null, 'who may follow is not told to stop')
  t.match(book.hear(notice, at(500), state, false), { verdict: 'stop', detail: /RECOVERY_BELOW_TIP/ })
  t.match(book.hear(notice, at(8), state, true), { verdict: 'stop' })
  const again = new RecoveryBook(notes)
  t.same(again.told(0), { epoch: 1, baseHeight: 10 }, 'and a restart does not forget it')
  t.match(again.take(manifestOf(fields), at(8), state, false), { ok: true, isNew: true })
  t.equal(again.told(0), null, 'until its operator gives it the manifest')
  t.match(again.hear(notice, at(8), state, true), { verdict: 'refused', code: 'RECOVERY_STALE' })
})

t.test('a full disk: nothing is taken for told that is not durable', async (t) => {
  const notes = new NotesInMemory()
  const book = new RecoveryBook(notes)
  notes.isFull = true
  t.throws(() => book.hear(noticeOf(fields), at(8), state, true), { code: 'STORE_FULL' })
  t.equal(book.told(0), null)
  notes.isFull = false
  t.match(book.hear(noticeOf(fields), at(8), state, true), { verdict: 'stop' })
})

t.test('what is not signed by enough institution keys is nothing at all', async (t) => {
  const book = new RecoveryBook(new NotesInMemory())
  const manifest = manifestOf(fields, institution.slice(0, 1))
  t.match(book.hear(noticeOf(fields, { manifest }), at(8), state, true), { verdict: 'refused' })
  t.match(book.hear(new Uint8Array([1, 2, 3]), at(8), state, true), {
    verdict: 'refused',
    code: 'RECOVERY_MALFORMED',
  })
})

t.test('what was kept is checked again when a node starts', async (t) => {
  const quorum = { threshold: 2, keys: institution.map((key) => new Uint8Array(key.publicKey)) }
  const later = manifestOf(fieldsOf(2, 20, [5, 6, 7]))
  const load = (manifests: Uint8Array[], id = chainId, by: typeof quorum | undefined = quorum) => {
    const notes = new NotesInMemory()
    notes.putNote(recoveriesNote, encodeManifests(manifests))
    return RecoveryBook.load(notes, id, by).bases.map(({ epoch }) => epoch)
  }
  t.same(load([]), [])
  t.same(load([manifestOf(fields), later]), [1, 2])
  const damaged: [RegExp, () => unknown][] = [
    [/not signed/, () => load([manifestOf(fields, institution.slice(2))])],
    [/not signed/, () => load([manifestOf(fields)], chainId, { ...quorum, keys: quorum.keys.slice(2) })],
    [/another chain/, () => load([manifestOf(fields)], new Uint8Array(32))],
    [/out of order/, () => load([later, manifestOf(fields)])],
    [/is none/, () => load([new Uint8Array([1, 2, 3])])],
  ]
  for (const [message, work] of damaged) t.throws(work, { code: 'STORE_DAMAGED', message })
})

t.test('the newest manifest first, then the one before it: no height is stranded', async (t) => {
  const notes = new NotesInMemory()
  const book = new RecoveryBook(notes)
  const later = fieldsOf(2, 20, [5, 6, 7])
  t.match(book.take(manifestOf(later), at(8), state, false), { ok: true, isNew: true })
  t.match(book.take(manifestOf({ ...fields, baseHeight: 20 }), at(8), state, false), {
    code: 'RECOVERY_STALE',
  })
  t.match(book.take(manifestOf({ ...later, reason: 'flood' }), at(8), state, false), {
    code: 'RECOVERY_STALE',
  })
  t.match(book.take(manifestOf(fields), at(8), state, false), { ok: true, isNew: true })
  const epochs = new RecoveryBook(notes)
  t.same(
    epochs.bases.map(({ epoch }) => epoch),
    [1, 2],
  )
  t.ok(epochs.isInEpoch({ height: 15, epoch: 1 }))
  t.notOk(epochs.isInEpoch({ height: 15, epoch: 0 }), 'a block of the old epoch is refused from then on')
  t.notOk(epochs.isInEpoch({ height: 21, epoch: 1 }))
  t.ok(epochs.isInEpoch({ height: 10, epoch: 0 }))
})
