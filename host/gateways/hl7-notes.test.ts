// The gateway's notes on a real sealed store: nothing stays for ever, and nothing of a patient stays longer
// than its transaction is open.
import t from 'tap'
import { decodeBundle, entityIdOf } from '../../runtime/protocol/index.js'
import type { CommitReply } from '../executor/messages.js'
import { generateSigningKey, randomBytes, sha256 } from '../keys/crypto.js'
import type { RunningNode } from '../node/running-node.js'
import { createSingleNode } from '../node/single-node.fixture.js'
import { draftAppend, payloadOf, signBundle } from '../node/transaction-builder.js'
import { encodeStoredAnswer, submissionKey } from './hl7/answers.js'
import { GatewayNotes, keptMs, submittedTable } from './hl7-notes.js'
import { admissionRecords } from './hl7-records.js'
import { nameOf } from './patient-index.js'

const hexOf = (byte: number): string => Buffer.alloc(32, byte).toString('hex')
const utf8 = new TextEncoder()
const number = { value: '10012877', authority: 'WARDCHAIN', type: 'MR' }

/** A signed admission of nobody's key: it never becomes final, the tests say what became of it. */
function admissionBundle(): { id: Uint8Array; bundle: Uint8Array } {
  const records = admissionRecords(
    {
      kind: 'admission',
      controlId: 'A1',
      sendingApplication: '',
      sendingFacility: '',
      processingId: 'P',
      receivedTimeMs: 1,
      raw: utf8.encode('MSH|SECRETNAME'),
      identifiers: [number],
      name: { family: 'SECRETNAME', given: 'LISA' },
      birthDate: '19970214',
      sex: 'F',
      location: { ward: '', room: '', bed: '' },
      patientClass: 'I',
      visitNumber: '',
      eventTimeMs: 1,
    },
    randomBytes(16),
  )
  const key = generateSigningKey()
  const draft = draftAppend(records)
  if (!draft.ok) throw new Error(draft.code)
  const sender = {
    chainId: new Uint8Array(32),
    entity: entityIdOf(sha256, key.publicKey),
    publicKey: key.publicKey,
  }
  const payload = payloadOf(sender, draft.value, { stream: 1, sequence: 0, fuelLimit: 1_000_000 })
  const bundle = signBundle(payload, draft.value, key)
  const decoded = decodeBundle(bundle, sha256)
  if (!decoded.ok) throw new Error(decoded.code)
  return { id: decoded.value.signed.id, bundle }
}

const commitOf = (id: Uint8Array, status: number): CommitReply =>
  ({ receipts: [{ id: Buffer.from(id).toString('hex'), status }] }) as unknown as CommitReply

t.test('notes of the gateway', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const { executor } = (single.node as unknown as { unsealed: { node: RunningNode } }).unsealed.node
  let now = 1_800_000_000_000
  const open = () => GatewayNotes.open(executor, () => now)
  const stored = (key: string) => executor.call('get', { table: submittedTable, key: utf8.encode(key) })

  await t.test('a late admission claims its numbers until it is final; then its bundle goes', async (t) => {
    const { id, bundle } = admissionBundle()
    const key = hexOf(1)
    let notes = await open()
    t.ok(await notes.keep(key, id, bundle))
    notes.setInFlight(key, false)
    t.ok(notes.isAdmitting([nameOf(number)], hexOf(2)))
    t.notOk(notes.isAdmitting([nameOf(number)], key), 'the same message may try again')
    t.notOk(notes.isAdmitting([nameOf({ ...number, value: '1' })], hexOf(2)))
    notes = await open()
    t.ok(notes.isAdmitting([nameOf(number)], hexOf(2)), 'after a restart, too')
    t.same(
      (await notes.openBundles()).map((one) => Buffer.from(one)),
      [Buffer.from(bundle)],
    )
    t.match(Buffer.from((await stored(key)) ?? []).toString('latin1'), 'SECRETNAME', 'it can go out again')

    await notes.onCommit(commitOf(id, 0))
    t.notOk(notes.isAdmitting([nameOf(number)], hexOf(2)))
    t.same(await stored(key), new Uint8Array([1, ...id]), 'the id alone is left')
    t.same(await notes.openBundles(), [])
    now += keptMs + 1
    await open()
    t.equal(await stored(key), null, 'and that goes after a week')
  })

  await t.test('refused on chain after its sender was told "late": nothing is left', async (t) => {
    const { id, bundle } = admissionBundle()
    const notes = await open()
    await notes.keep(hexOf(3), id, bundle)
    notes.setInFlight(hexOf(3), false)
    await notes.onCommit(commitOf(id, 100))
    t.equal(await stored(hexOf(3)), null)
    t.notOk(notes.isAdmitting([nameOf(number)], hexOf(2)))
  })

  await t.test('an answer takes its submission with it, and goes after seven days', async (t) => {
    const digest = new Uint8Array(32).fill(9)
    const { id, bundle } = admissionBundle()
    let notes = await open()
    const answer = () => encodeStoredAnswer({ timeMs: now, digest, frames: utf8.encode('MSA|AA') })
    const submission = submissionKey(hexOf(300 % 256), digest)
    await notes.keep(submission, id, bundle)
    const firstTime = now
    // More than one segment of the log.
    const keys = Array.from({ length: 300 }, (_, index) => sha256(new Uint8Array([index >> 8, index])))
    const names = keys.map((key) => Buffer.from(key).toString('hex'))
    await notes.putAnswer(hexOf(300 % 256), answer())
    t.equal(await stored(submission), null)
    for (const name of names) await notes.putAnswer(name, answer())

    now = firstTime + keptMs - 1
    notes = await open()
    t.ok(await notes.answer(names[0]))
    await notes.putAnswer(names[1], answer())
    now = firstTime + keptMs + 1
    notes = await open()
    t.equal(await notes.answer(names[0]), undefined, 'a whole segment of old answers')
    t.ok(await notes.answer(names[1]), 'an answer that was renewed stays')
    now += keptMs
    await notes.purge()
    for (const name of names) t.equal(await notes.answer(name), undefined)
    await notes.putAnswer(names[2], answer())
    t.ok(await (await open()).answer(names[2]), 'and it goes on after a purge')
  })
})
