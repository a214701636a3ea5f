// `ward replay` on a real node: identical receipts, what the reader must be granted, what an erasure and
// pruning take away, and that a false receipt is told.
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { bytesToHex, decodeReceipt, encodeReceipt, hexToBytes } from '../../runtime/protocol/index.js'
import { createModuleCache } from '../../runtime/execution/index.js'
import { StateTree } from '../../runtime/state/index.js'
import type { Proposal, ReceiptView, ReplayView } from '../api/node-port.js'
import { sha256 } from '../keys/crypto.js'
import { nodeFiles } from '../node/node-config.js'
import { createSingleNode, storePassword } from '../node/single-node.fixture.js'
import { openChainStore, openKeyslot } from '../store/index.js'
import { BlockReplays, type ReplaySource } from './block-replay.js'
import { ChainState } from './chain-state.js'
import { readTip } from './chain-tip.js'
import { genesisNote } from './block-write.js'

const lisa = 'a1'.repeat(16)

const admission: Proposal = {
  type: 'append',
  records: [
    {
      kind: 'admission',
      patient: lisa,
      code: 'ADT^A01',
      body: {
        family: 'Jones',
        given: 'Lisa',
        birthDate: 19970214,
        sex: 'F',
        pregnancy: 1,
        identifiers: [],
        ward: '4',
        room: '12',
        bed: 'A',
        visitNumber: 'V1',
        reason: '',
      },
    },
  ],
}
const finding: Proposal = {
  type: 'append',
  records: [
    {
      kind: 'finding',
      patient: lisa,
      code: 'wound-assessment',
      body: { concepts: ['redness'], site: 'abdomen', text: 'warm' },
    },
  ],
}
const grantTo = (entity: string): Proposal => ({
  type: 'call',
  target: 'ward/policy',
  method: 'grant',
  args: {
    id: 'ee'.repeat(16),
    role: '',
    entity,
    action: 2,
    kind: 1,
    target: '',
    names: [],
    patient: lisa,
    validUntil: '0',
  },
})
const acknowledge: Proposal = {
  type: 'call',
  target: 'ward/alerts',
  method: 'acknowledge',
  args: { alert: '77'.repeat(32), response: 'acknowledged', reason: '' },
}

/** Two of these that one block took. */
async function inOneBlock(sign: () => Promise<ReceiptView>): Promise<ReceiptView[]> {
  for (let round = 0; round < 50; round += 1) {
    const receipts = await Promise.all([sign(), sign(), sign()])
    const height = receipts[2].height
    const together = receipts.filter((receipt) => receipt.height === height)
    if (together.length > 1) return together
  }
  throw new Error('no block took two transactions')
}

t.test('transactions of a running node replay, for those who may read what they show', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const [nurse, admin, vendor] = await Promise.all(
    (['nurse', 'admin', 'vendor'] as const).map((role) => single.signIn(role)),
  )
  const ids: string[] = []
  for (const [session, proposal] of [
    [nurse, admission],
    [nurse, finding],
    [admin, grantTo(single.persons.vendor)],
    [nurse, finding],
    [nurse, acknowledge],
  ] as const) {
    ids.push((await single.sign(session, proposal)).transactionId)
  }
  // Each answer is followed by a rest of a few times as long.
  const patiently = async (session: typeof nurse, id: string): ReturnType<typeof single.node.replay> => {
    for (;;) {
      const outcome = await single.node.replay(session, id)
      if (outcome.ok || outcome.code !== 'REPLAY_BUSY') return outcome
      await setTimeout(20)
    }
  }
  const replay = async (session: typeof nurse, id: string): Promise<ReplayView> => {
    const outcome = await patiently(session, id)
    if (!outcome.ok) throw new Error(`${outcome.code} ${outcome.detail ?? ''}`)
    return outcome.value.replay
  }
  for (const [index, id] of ids.entries()) {
    const view = await replay(nurse, id)
    t.same(view.differences, [], `transaction ${index}`)
    t.same({ ...view.receipt, derived: undefined }, { ...view.replayed, derived: undefined })
    const entered = view.steps.filter((step) => step.type === 'enter')
    t.ok(entered.length > 0, 'each asks the policy or runs a contract')
    t.equal(entered.length, view.steps.filter((step) => step.type === 'leave').length)
  }
  // What stands beside it in the block runs again too, without a trace.
  for (const receipt of await inOneBlock(() => single.sign(nurse, finding))) {
    t.equal((await replay(nurse, receipt.transactionId)).identical, true, 'beside another one')
  }
  const first = await replay(nurse, ids[0])
  const byRecord = await replay(nurse, first.receipt.records[0])
  t.same([byRecord.transactionId, byRecord.identical], [ids[0], true], 'also by a record that it wrote')
  t.match(first.signed?.action, {
    type: 'append',
    records: [{ kind: 'admission', body: { family: 'Jones' } }],
  })
  t.match(first.steps[0], {
    alias: 'ward/policy',
    method: 'mayAppend',
    input: { author: single.persons.nurse, patient: lisa, kind: 1 },
  })
  const granted = await replay(nurse, ids[2])
  t.match(granted.signed?.action, { target: 'ward/policy', method: 'grant', arguments: { patient: lisa } })
  const failed = await replay(nurse, ids[4])
  t.equal(failed.receipt.code, 'CONTRACT_ABORTED')
  t.match(failed.steps[0], { alias: 'ward/alerts', input: { alert: '77'.repeat(32) } })
  t.match(
    failed.steps.find((step) => step.type === 'host' && step.name === 'contract_call'),
    { arguments: { target: 'ward/policy', args: { caller: single.persons.nurse } } },
  )
  t.match(failed.steps.at(-2), { name: 'abort', stopped: 'CONTRACT_ABORTED' })

  t.equal((await replay(vendor, ids[0])).identical, true, 'granted this patient, admissions')
  const refused = await patiently(vendor, ids[1])
  t.match(refused, { ok: false, code: 'READ_NOT_GRANTED' }, 'but not findings')
  t.match(await patiently(nurse, 'ab'.repeat(32)), { code: 'TRANSACTION_UNKNOWN' })
  t.match(await patiently(nurse, 'ab'), { code: 'REQUEST_MALFORMED' })

  await single.restart()
  const again = await single.signIn('nurse')
  t.equal((await replay(again, ids[1])).identical, true, 'after a restart')

  const erase: Proposal = {
    type: 'call',
    target: 'ward/governance',
    method: 'erasePatient',
    args: { patient: lisa },
  }
  const adminAgain = await single.signIn('admin')
  await single.sign(adminAgain, grantTo(single.persons.doctor)).catch(() => undefined)
  t.equal((await single.sign(adminAgain, erase)).code, 'OK')
  for (const id of ids) {
    t.match(await patiently(again, id), { code: 'REPLAY_UNAVAILABLE' }, 'not beyond an erasure')
  }
})

t.test(
  'a receipt that is not what the block gives is told, and so is a certificate of nobody',
  async (t) => {
    const single = await createSingleNode()
    t.teardown(() => single.close())
    const nurse = await single.signIn('nurse')
    const ids = [
      (await single.sign(nurse, admission)).transactionId,
      (await single.sign(nurse, finding)).transactionId,
    ]
    await single.node.close()
    const dataKey = await openKeyslot(nodeFiles(single.folder).keyslots, storePassword.slice())
    const store = openChainStore(nodeFiles(single.folder).chain, dataKey)
    t.teardown(async () => {
      await store.close()
      dataKey.close()
    })
    const { leafSalt } = readTip(store, store.note(genesisNote) ?? new Uint8Array(0))
    const state = new ChainState(store, StateTree.open(store, sha256, leafSalt))
    const run = (source: Partial<ReplaySource>): ReturnType<BlockReplays['step']> => {
      const whole: ReplaySource = {
        applied: () => store.applied(),
        blockAt: (height) => store.blockAt(height),
        patientBody: (patient, hash) => store.patientBody(patient, hash),
        attachmentByHash: (hash) => store.attachmentByHash(hash),
        transactionLocation: (id) => store.transactionLocation(id),
        undoAt: (height) => store.undoAt(height),
        undoFirst: () => store.undoFirst(),
        firstPayload: () => store.firstPayload(),
        ...source,
      }
      // All in one step, however slow the machine.
      const replays = new BlockReplays(whole, state, createModuleCache(), undefined, Infinity)
      return replays.step(hexToBytes(ids[0]) ?? new Uint8Array(32))
    }
    const honest = run({})
    t.ok(honest.state === 'done' && honest.replay.identical)
    t.same(honest.state === 'done' && honest.touched, [{ patient: lisa, kind: 1 }])

    const forged = run({
      blockAt: (height) => {
        const block = store.blockAt(height)
        const receipt = block && decodeReceipt(block.receipts[0])
        if (!block || !receipt?.ok) throw new Error('no block')
        const receipts = [encodeReceipt({ ...receipt.value, fuelUsed: receipt.value.fuelUsed + 1 })]
        return { ...block, receipts }
      },
    })
    t.ok(forged.state === 'done' && !forged.replay.identical)
    if (forged.state === 'done')
      t.same(forged.replay.differences, [
        'stored receipts: not those of the certified result',
        'receipt 0 of the block',
      ])

    const unsigned = run({
      blockAt: (height) => {
        const block = store.blockAt(height)
        if (!block) throw new Error('no block')
        const certificate = block.certificate.slice()
        certificate[certificate.length - 1] ^= 1
        return { ...block, certificate }
      },
    })
    t.ok(unsigned.state === 'done' && !unsigned.replay.identical)
    if (unsigned.state === 'done')
      t.same(unsigned.replay.differences, ['certificate: CERTIFICATE_BAD_SIGNATURE'])

    t.match(run({ undoFirst: () => 2 }), { code: 'REPLAY_UNAVAILABLE', detail: /kept from block 2 on/ })
    t.match(run({ undoAt: () => undefined }), { code: 'REPLAY_UNAVAILABLE' })
    // Another state than the one before the block is not taken for it.
    t.match(run({ undoAt: () => store.undoAt(2) }), { code: 'REPLAY_DIFFERS' })
    t.equal(bytesToHex(store.undoAt(1) ?? new Uint8Array(0)).length > 0, true)
  },
)
