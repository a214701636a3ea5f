// The offline check on the store of a node that really ran: whole, then damaged in one place after the
// other.
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { bytesToHex, encodeHeader } from '../../runtime/protocol/index.js'
import type { Proposal } from '../api/node-port.js'
import { ExecutorCore } from '../executor/executor-core.js'
import type { FinalBlock } from '../../consensus/pbft/types.js'
import { sha256 } from '../keys/crypto.js'
import { divergenceFiles, keepDivergence } from '../node/divergence-file.js'
import { nodeFiles } from '../node/node-config.js'
import { createNodeLogger } from '../node/node-logger.js'
import { createSingleNode, storePassword } from '../node/single-node.fixture.js'
import { openChainStore, openKeyslot, writeSealedFile, type ChainStore } from '../store/index.js'
import { pointStoredKey } from '../store/chain-keys.js'
import { SealedEnvironment } from '../store/sealed-environment.js'
import { table, tableName, votesTables } from '../store/tables.js'
import { compareNodes, divergenceReport, type Comparison } from './compare.js'
import { examineNode } from './doctor.js'

t.setTimeout(600_000)

const admissionOf = (patient: number): Proposal => ({
  type: 'append',
  records: [
    {
      kind: 'admission',
      patient: bytesToHex(new Uint8Array(16).fill(patient)),
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
        visitNumber: '1',
        reason: '',
      },
    },
  ],
})

t.test('a node that worked is whole; what is damaged is named', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const nurse = await single.signIn('nurse')
  await t.rejects(examineNode({ folder: single.folder, password: storePassword }), { code: 'NODE_RUNNING' })
  for (const patient of [7, 8]) t.equal((await single.sign(nurse, admissionOf(patient))).code, 'OK')
  await single.node.close()

  const examine = () => examineNode({ folder: single.folder, password: storePassword })
  const labels = new Set<string>()
  const whole = await examineNode({
    folder: single.folder,
    password: storePassword,
    onProgress: (label) => void labels.add(label),
  })
  t.same(whole.findings, [])
  t.ok(whole.height >= 2 && whole.ledgerRecords >= 2, JSON.stringify(whole))
  t.equal(whole.certificatesChecked, whole.height, 'every block but genesis has a certificate')
  t.equal(whole.certificatesUnknown, 0)
  t.same(whole.keyEpochs, [0])
  t.ok(whole.voteRecords >= 2, 'the vote and its token are opened')
  t.same(whole.sealedFiles, ['identity.sealed', 'votes/votes.token', 'chain/patients.key'])
  t.ok(labels.has('checking block') && labels.has('looking records up'))

  const dataKey = await openKeyslot(nodeFiles(single.folder).keyslots, storePassword)
  t.teardown(() => dataKey.close())
  const records = (store: ChainStore, id: number) =>
    [...store.environment.range(Buffer.from([id]), Buffer.from([id + 1]))].map(({ storedKey, record }) => ({
      storedKey: Buffer.from(storedKey),
      record: Buffer.from(record),
    }))
  /** Damages the closed store, examines it, and puts everything back. */
  const examineWith = async (
    id: number,
    damage: (store: ChainStore, rows: ReturnType<typeof records>) => void,
  ) => {
    const store = openChainStore(nodeFiles(single.folder).chain, dataKey)
    const before = records(store, id)
    damage(store, before)
    await store.close()
    const { findings } = await examine()
    const again = openChainStore(nodeFiles(single.folder).chain, dataKey)
    again.environment.putRecords(before)
    await again.close()
    return findings
  }
  /** Keeps a note whose place is the next one above that of this note, which is not there. */
  const noteBeside = async (name: string): Promise<Buffer> => {
    const store = openChainStore(nodeFiles(single.folder).chain, dataKey)
    const sealer = store.environment.sealer(table.note)
    const placeOf = (note: string): Buffer =>
      Buffer.from(pointStoredKey(table.note, sealer, Buffer.from(note)))
    const place = placeOf(name)
    const above = records(store, table.note).find(({ storedKey }) => storedKey.compare(place) > 0)
    const isBeside = (note: string): boolean =>
      placeOf(note).compare(place) > 0 && (!above || placeOf(note).compare(above.storedKey) < 0)
    let number = 0
    while (!isBeside(`beside ${number}`)) number += 1
    store.putNote(`beside ${number}`, new Uint8Array(1))
    const found = placeOf(`beside ${number}`)
    await store.close()
    return found
  }
  const removed = (at: number) => (store: ChainStore, rows: ReturnType<typeof records>) =>
    store.environment.write(() => store.environment.remove(rows.at(at)?.storedKey ?? Buffer.alloc(0)))

  // The ledger's rows only: the index of versions shares this table and is checked by its seals.
  const withoutLedgerRow = (store: ChainStore, rows: ReturnType<typeof records>): void => {
    const sealer = store.environment.sealer(table.index)
    const isOfLedger = ({ storedKey, record }: (typeof rows)[number]): boolean =>
      Buffer.from(sealer.openEntry(storedKey, record).trueKey).includes('$record')
    const row = rows.find(isOfLedger)
    store.environment.write(() => store.environment.remove(row?.storedKey ?? Buffer.alloc(0)))
  }
  t.match(await examineWith(table.index, withoutLedgerRow), [{ table: 'index' }, { table: 'index' }])
  t.match(await examineWith(table.transaction, removed(0)), [{ message: /index of transactions/ }])
  t.ok((await examineWith(table.statePoint, removed(0))).some(({ message }) => /leaves/.test(message)))
  t.match(await examineWith(table.body, removed(-1)), [{ message: /body/ }])
  const swapped = await examineWith(table.outcome, (store, rows) => {
    store.environment.putRecords([{ storedKey: rows[1].storedKey, record: rows[2].record }])
  })
  t.ok(swapped.some(({ code }) => code === 'RECORD_ALTERED'))
  // Sealed with the right key and put in the right place, but never certified: only the chain of hashes
  // tells.
  const forge = (at: number) => (store: ChainStore, rows: ReturnType<typeof records>) => {
    const sealer = store.environment.sealer(table.block)
    const { storedKey, record } = rows[2]
    const { trueKey, value } = sealer.openEntry(storedKey, record)
    const [key, changed] = [Buffer.from(trueKey), Buffer.from(value)]
    changed[at < 0 ? changed.length + at : at] ^= 1
    store.environment.write(() => store.environment.put(table.block, storedKey, key, changed))
  }
  t.match(await examineWith(table.block, forge(-1)), [{ code: 'RECORD_ALTERED', message: /block 2: / }])
  t.match(await examineWith(table.block, forge(80)), [{ code: 'RECORD_ALTERED', message: /block 2: / }])
  const bent = (row: ReturnType<typeof records>[number], at: number) => {
    const record = Buffer.from(row.record)
    record[at] ^= 1
    return [{ storedKey: row.storedKey, record }]
  }
  // The record of block 0 lies beside the tree: its own damage is named, and the tree is not blamed.
  const first = await examineWith(table.block, (store, rows) =>
    store.environment.putRecords(bent(rows[0], 0)),
  )
  t.ok(first.some((finding) => finding.table === 'block' && finding.storedKey !== ''))
  t.notOk(first.some(({ message }) => /root of the last certified/.test(message)))
  // A damaged note beside the place of one that is not there.
  const beside = await noteBeside('first-block')
  const noted = await examineWith(table.note, (store, rows) => {
    const row = rows.find(({ storedKey }) => storedKey.equals(beside))
    store.environment.putRecords(row === undefined ? [] : bent(row, row.record.length - 1))
  })
  t.ok(noted.some(({ table, storedKey }) => table === 'note' && storedKey === beside.toString('hex')))
  t.ok(noted.some(({ message }) => /first-payload cannot be read/.test(message)))
  t.same((await examine()).findings, [], 'all damage was put back')

  const { identity } = nodeFiles(single.folder)
  const bytes = readFileSync(identity)
  bytes[bytes.length - 1] ^= 1
  writeFileSync(identity, bytes)
  t.match((await examine()).findings, [{ table: 'identity.sealed', code: 'RECORD_ALTERED' }])
  bytes[bytes.length - 1] ^= 1
  writeFileSync(identity, bytes)

  const { votes } = nodeFiles(single.folder)
  /** Bends the seal of the table's first record, or bends it back. */
  const bendVote = async (id: number): Promise<void> => {
    const environment = new SealedEnvironment({
      folder: votes,
      space: 'votes',
      tables: votesTables,
      dataKey,
    })
    const [{ storedKey, record }] = [...environment.range(Buffer.from([id]), Buffer.from([id + 1]))].slice(
      0,
      1,
    )
    const bent = Buffer.from(record)
    bent[bent.length - 1] ^= 1
    environment.putRecords([{ storedKey: Buffer.from(storedKey), record: bent }])
    await environment.close()
  }
  for (const id of [table.voteRecord, table.voteToken]) {
    await bendVote(id)
    // The walk of the table before ends at this record, and says so too.
    const { findings } = await examine()
    t.ok(findings.some(({ table, code }) => table === tableName(id) && code === 'RECORD_ALTERED'))
    await bendVote(id)
  }
  t.same((await examine()).findings, [])

  const { shares } = nodeFiles(single.folder)
  writeSealedFile(shares, dataKey, new Uint8Array(6_000))
  truncateSync(shares, 4_096)
  t.match((await examine()).findings, [{ table: 'shares.sealed', code: 'RECORD_ALTERED' }])
  await single.restart()
  t.same(single.node.status().damagedFiles, ['shares.sealed.damaged'], 'it starts all the same, and tells')
  await single.node.close()
  t.match((await examine()).findings, [{ table: 'shares.sealed.damaged', message: /set aside/ }])
})

/** An executor in this thread, on the store of a stopped node. */
async function openCore(folder: string): Promise<ExecutorCore> {
  const key = await openKeyslot(nodeFiles(folder).keyslots, storePassword)
  const core = new ExecutorCore()
  const dataKey = key.toBytes()
  core.handle('open', { folder: nodeFiles(folder).chain, dataKey, genesis: null })
  key.close()
  return core
}

t.test('two nodes with different results: the first transaction, store and key are named', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const behind = mkdtempSync(path.join(tmpdir(), 'wardchain-behind-'))
  t.teardown(() => rmSync(behind, { recursive: true, force: true }))
  t.equal((await single.sign(await single.signIn('nurse'), admissionOf(7))).code, 'OK')
  const { height } = single.node.status()
  await single.node.close()
  cpSync(single.folder, behind, { recursive: true })
  await single.restart()
  for (const patient of [8, 9])
    t.equal((await single.sign(await single.signIn('nurse'), admissionOf(patient))).code, 'OK')
  await single.node.close()
  const compare = (folder: string, other: string): Promise<Comparison | null> =>
    compareNodes({ folder, other, passwordOf: () => Promise.resolve(storePassword.slice()) })
  t.equal(await compare(behind, single.folder), null, 'one is behind, both agree')

  const ahead = await openCore(single.folder)
  const asked = { fromHeight: height + 1, count: 1, bytesMax: 1_000_000 }
  const [{ block }] = ahead.handle('finalBlocks', asked) as FinalBlock[]
  await ahead.close()
  const blockHash = sha256(encodeHeader(block.header))
  /** The block as the node that is behind runs it: kept as a node does that finds itself alone with it. */
  const runBehind = async (run: FinalBlock['block']): Promise<void> => {
    const core = await openCore(behind)
    t.match(core.handle('execute', { blockHash, block: run }), { ok: true })
    const executor = {
      call: (...[method, argument]: Parameters<ExecutorCore['handle']>) =>
        Promise.resolve(core.handle(method, argument)),
    } as never
    const logger = createNodeLogger('test', 'silent')
    const detail = { block: bytesToHex(blockHash), certifiedResult: 'ab' }
    const dataKey = await openKeyslot(nodeFiles(behind).keyslots, storePassword.slice())
    await keepDivergence(detail, { folder: behind, dataKey, executor, logger })
    dataKey.close()
    await core.close()
    rmSync(report, { force: true })
    const text = await divergenceReport(behind, () => Promise.resolve(storePassword.slice()))
    writeFileSync(report, text)
  }
  const report = path.join(behind, 'report.json')
  await runBehind(block)
  const [sealed] = divergenceFiles(behind)
  t.equal(path.basename(sealed), `divergence-${height + 1}.sealed`)
  t.notMatch(readFileSync(sealed, 'latin1'), /stateRoot|receipts/, 'nothing of it lies in plain')
  t.match(await compare(single.folder, report), { isSame: true, write: undefined, transaction: undefined })
  t.notMatch(readFileSync(report, 'utf8'), /Jones|5a6f6e6573/, 'no values')

  const { header } = block
  await runBehind({ ...block, header: { ...header, time: header.time + 1 } })
  const found = await compare(single.folder, report)
  t.match(found, { isSame: false, isSameBlock: true, height: height + 1, fields: ['stateRoot'] })
  t.match(found?.write, { store: /^\$/, left: /^[0-9a-f]{64}$/, right: /^[0-9a-f]{64}$/ })
  t.match(found?.key, /^[0-9a-f]+$/, 'whoever has the store names the key')
  t.equal((await compare(behind, single.folder))?.key, found?.key, 'from the other side too')
  writeFileSync(report, '{}')
  await t.rejects(compare(single.folder, report), { code: 'REPORT_UNUSABLE' })
  // A node that got past its divergence is asked for what it has.
  cpSync(nodeFiles(single.folder).chain, nodeFiles(behind).chain, { recursive: true })
  t.equal(await compare(behind, single.folder), null, 'an old report does not win for ever')
})

t.test('what cannot be examined is said', async (t) => {
  await t.rejects(examineNode({ folder: 'no such folder', password: storePassword }), {
    code: 'NODE_ABSENT',
  })
})
