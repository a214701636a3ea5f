// Index rows that are not the ledger's own: altered, exchanged, put back from elsewhere. Every read of them
// is refused with the row's place, and a whole index passes.
import t from 'tap'
import { recordKind } from '../../runtime/protocol/index.js'
import {
  codeIndex,
  codeTimePartition,
  kindTimePartition,
  recordIndex,
  store as tables,
} from '../../runtime/execution/kernel-tables.js'
import { encodeOrderedKey, orderMax, StateTree } from '../../runtime/state/index.js'
import { sha256 } from '../keys/crypto.js'
import { nodeFiles } from '../node/node-config.js'
import { createSingleNode, storePassword, type SingleNode } from '../node/single-node.fixture.js'
import { openChainStore, openKeyslot, type ChainStore } from '../store/index.js'
import { orderedStoredKey, stateTrueKey } from '../store/chain-keys.js'
import { table } from '../store/tables.js'
import { genesisNote } from './block-write.js'
import { ChainState } from './chain-state.js'
import { readTip } from './chain-tip.js'

const lisa = 'a1'.repeat(16)
const patient = new Uint8Array(16).fill(0xa1)
const codeBytes = new Uint8Array(Buffer.from('8867-4', 'latin1'))

async function chart(single: SingleNode): Promise<void> {
  const nurse = await single.signIn('nurse')
  const admission = {
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
  }
  await single.sign(nurse, {
    type: 'append',
    records: [{ kind: 'admission', patient: lisa, code: 'ADT^A01', body: admission }],
  })
  for (const value of ['71', '72']) {
    const body = {
      value,
      scale: 0,
      unit: '/min',
      text: '',
      status: 'F',
      validation: 2,
      sourceText: '',
      device: '',
    }
    await single.sign(nurse, {
      type: 'append',
      records: [
        {
          kind: 'observation',
          patient: lisa,
          code: '8867-4',
          effectiveTime: 1_700_000_000_000 + Number(value),
          body,
        },
      ],
    })
  }
}

t.test('an index row leads to what the ledger wrote, or to nobody', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  await chart(single)
  await single.node.close()
  const dataKey = await openKeyslot(nodeFiles(single.folder).keyslots, storePassword.slice())
  const store = openChainStore(nodeFiles(single.folder).chain, dataKey)
  t.teardown(async () => {
    await store.close()
    dataKey.close()
  })
  const { leafSalt } = readTip(store, store.note(genesisNote) ?? new Uint8Array(0))
  const tree = StateTree.open(store, sha256, leafSalt)
  store.checkReadsWith(tree)
  // A fresh state each time: what is remembered was checked when it was read.
  type Scan = [store: string, table: number, partition: Uint8Array]
  const read = (...[name, number, partition]: Scan): number =>
    new ChainState(store, tree).scanIndex(name, number, partition, 0n, orderMax, 100, true).length
  const places: Scan[] = [
    [tables.record, recordIndex.codeTime, codeTimePartition(patient, recordKind.observation, codeBytes)],
    [tables.record, recordIndex.kindTime, kindTimePartition(patient, recordKind.observation)],
    [tables.record, recordIndex.number, patient],
    [tables.record, recordIndex.kindArrival, new Uint8Array([recordKind.observation])],
    [tables.code, codeIndex.byAlias, new Uint8Array(Buffer.from('ward/alerts', 'latin1'))],
    [tables.code, codeIndex.aliases, new Uint8Array(0)],
  ]
  t.same(
    places.slice(0, 5).map((place) => read(...place)),
    [2, 2, 3, 2, 1],
  )
  t.ok(read(...places[5]) >= 4, 'every alias of the system')

  for (const place of places.slice(0, 5)) {
    const rows = store.scanIndex(...place, 0n, orderMax, 100)
    const [row] = rows
    const other = rows.at(1)?.value ?? new Uint8Array(32).fill(7)
    const put = (value: Uint8Array, order = row.order, sequence = row.sequence): void =>
      write(store, place, { value, order, sequence })
    const refused = (what: string): void => {
      const name = `${place[0]} ${place[1]}: ${what}`
      t.throws(() => read(...place), { code: 'RECORD_ALTERED', message: /index \d of \$/ }, name)
    }
    // Sealed by this very store's key, as a row of an older copy or another branch of it would be.
    if (place[1] !== recordIndex.kindArrival) {
      put(other)
      refused('leads to another record')
    }
    put(new Uint8Array(32).fill(9))
    refused('leads to nothing')
    put(row.value.slice(1))
    refused('is cut')
    put(row.value)
    t.ok(read(...place) > 0, 'put back as it was')
    put(row.value, row.order + 5n)
    refused('stands at another time')
    write(store, place, { value: undefined, order: row.order + 5n, sequence: row.sequence })
    t.ok(read(...place) > 0)
  }
})

function write(
  store: ChainStore,
  [name, number, partition]: [string, number, Uint8Array],
  row: { value: Uint8Array | undefined; order: bigint; sequence: number },
): void {
  const { environment } = store
  const trueKey = stateTrueKey(name, encodeOrderedKey(number, partition, row.order, row.sequence))
  const stored = orderedStoredKey(table.index, environment.sealer(table.index), trueKey)
  environment.write(() => {
    if (row.value === undefined) environment.remove(stored)
    else environment.put(table.index, stored, trueKey, row.value)
  })
}
