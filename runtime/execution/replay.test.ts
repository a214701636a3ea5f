// Undo journals and replays: the state before any block of a chain, and identical receipts out of it.
import t from 'tap'
import { recordKind } from '../protocol/index.js'
import { compareWrites, type WriteSet } from '../state/index.js'
import { codes, createHospital, deployRules, findingOf, isBuilt, notBuilt } from './hospital.fixture.js'
import {
  decodeUndo,
  encodeUndo,
  replayTransaction,
  rewind,
  RewoundState,
  undoOf,
  type BlockInput,
  type ParentState,
} from './index.js'
import { admissionOf, hex, observationOf, patientOf, ports } from './world.fixture.js'

const skip = isBuilt ? false : notBuilt
const lisa = patientOf('lisa')

t.test(
  'every transaction of a chain replays from its pre-state with the same receipt',
  { skip },
  async (t) => {
    const hospital = createHospital()
    deployRules(hospital)
    const { world, nurse, monitor } = hospital
    const journal: {
      input: BlockInput
      undo: WriteSet
      written: WriteSet
      receipts: Uint8Array[]
      ids: Uint8Array[]
      root: string
    }[] = []
    const step = (bundles: Uint8Array[]): void => {
      const input = world.propose(bundles)
      const outcome = world.try(bundles)
      if (!outcome.ok) throw new Error(outcome.code)
      const root = hex(world.chain.tree.root)
      const undo = decodeUndo(encodeUndo(undoOf(world.chain, outcome.writeSet, input.header.height)))
      const written = outcome.writeSet
      const block = world.block(bundles)
      journal.push({
        input,
        undo,
        written,
        receipts: block.receipts,
        ids: block.receiptsDecoded.map(({ transactionId }) => transactionId),
        root,
      })
    }
    const readings = (systolic: number): Uint8Array =>
      world.append(monitor, [
        observationOf(lisa, codes.temperature, 386, { scale: 1, unit: 'Cel' }),
        observationOf(lisa, codes.systolic, systolic, { unit: 'mm[Hg]' }),
      ])
    step([world.append(nurse, [admissionOf(lisa)])])
    step([world.append(nurse, [findingOf(lisa, 'wound-assessment', ['redness', 'purulent-drainage'])])])
    step([readings(80), readings(85)])
    step([readings(90)])
    step([])
    t.ok(world.last)
    for (let height = journal.length - 1; height >= 0; height -= 1) {
      const undos = journal
        .slice(height)
        .reverse()
        .map(({ undo }) => undo)
      const { input, receipts, ids } = journal[height]
      const preState = rewind(world.chain, undos, input.header.height)
      // Added from the other end, as when blocks are applied while a replay is prepared.
      const mixed = new RewoundState(world.chain, input.header.height)
      for (const { undo } of journal.slice(height)) mixed.addNewer(undo)
      t.equal(mixed.entryCount, preState.entryCount)
      for (const [index, id] of ids.entries()) {
        const state = index % 2 === 0 ? preState : mixed
        const replayed = replayTransaction(input, state, id, world.cache, ports)
        if (!replayed.ok || replayed.replay === undefined) {
          t.fail(`block ${height}, transaction ${index}`)
          continue
        }
        t.equal(
          hex(replayed.replay.receiptBytes),
          hex(receipts[index]),
          `block ${height}, transaction ${index}`,
        )
        t.equal(replayed.replay.index, index)
        t.ok(replayed.replay.receipt.target === undefined || replayed.replay.events.length > 2)
      }
      t.same(replayTransaction(input, preState, new Uint8Array(32), world.cache, ports), {
        ok: true,
        replay: undefined,
      })
    }
    // Taking every block back for real ends in the state root of before.
    for (const { undo: journalled, written, root } of [...journal].reverse()) {
      const undo = withNewRecords(journalled, written)
      const update = world.chain.updateTree(undo.state)
      t.equal(hex(update.root), root)
      world.chain.tree.accept(update)
      world.chain.pages.apply(update.pageWrites)
      world.chain.state.apply(undo)
    }
    t.equal(world.chain.scanIndex('$record', 4, new Uint8Array([recordKind.alert]), 0n, 100n, 9).length, 0)
  },
)

/** A journal leaves out the rows of records that its block appended: those go. */
function withNewRecords(journal: WriteSet, written: WriteSet): WriteSet {
  const known = new Set(journal.state.map(({ store, key }) => `${store} ${hex(key)}`))
  const isNew = ({ store, key }: WriteSet['state'][number]): boolean =>
    store === '$record' && !known.has(`${store} ${hex(key)}`)
  const gone = written.state.filter(isNew).map((write) => ({ ...write, value: undefined }))
  const rows = written.index.filter(({ store }) => store === '$record')
  return {
    state: [...journal.state, ...gone].sort(compareWrites),
    index: [...journal.index, ...rows.map((write) => ({ ...write, value: undefined }))].sort(compareWrites),
  }
}

t.test('an answer of the policy never serves another height', { skip }, async (t) => {
  const { world, admin, monitor } = createHospital()
  world.block([world.append(monitor, [admissionOf(lisa)])])
  const reading = (): Uint8Array =>
    world.append(monitor, [observationOf(lisa, codes.pulse, 80, { unit: '/min' })])
  const { detail } = world.block([reading()]).receiptsDecoded[0]
  const revoke = world.call(admin, 'ward/policy', 'revoke', Buffer.from(detail ?? '', 'hex'))
  const outcome = world.try([revoke])
  if (!outcome.ok) throw new Error(outcome.code)
  const undo = undoOf(world.chain, outcome.writeSet, world.height + 1)
  world.block([revoke])
  const statusOn = (state: ParentState, height: number, time: number): number => {
    const bundle = reading()
    const input = world.propose([bundle], { height, time })
    const { id } = world.bundle(bundle).signed
    const replayed = replayTransaction(input, state, id, world.cache, ports)
    return replayed.ok ? (replayed.replay?.receipt.status ?? -1) : -2
  }
  const { height, time } = world
  for (const round of [1, 2]) {
    t.equal(
      statusOn(rewind(world.chain, [undo], height), height, time),
      0,
      `before the revocation, ${round}`,
    )
    t.equal(statusOn(world.chain, height + 1, time + 1), 100, `after it, ${round}`)
  }
})
