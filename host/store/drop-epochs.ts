// The end of a change of the data key: when nothing rests under a former epoch any more, its secret is
// forgotten. Of a stopped node. What walks by itself (the chain) must be done; votes and the small files,
// which nobody walks, are sealed anew here. The keyslot file is the last step: cut off before, all opens as
// it did, and the same call goes on.
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { DataKey } from './data-key.js'
import { keepNewestEpoch, openKeyslot, type OpenOptions } from './keyslot.js'
import { SealedEnvironment } from './sealed-environment.js'
import { isSetAside, readSealedFile, sealedFileEpoch, writeSealedFile } from './sealed-file.js'
import { StoreError } from './store-error.js'
import { chainTables, table, votesTables, type TableId } from './tables.js'

export interface DropOptions extends OpenOptions {
  /** Folders of the two environments. */
  chain: string
  votes: string
  /** Called before each part. */
  onStep?: (step: 'chain' | 'votes' | 'files' | 'keyslots') => void
}

/**
 * Returns the epochs that were forgotten, none when there is only one. Throws KEYSLOT_REJECTED, STORE_LOCKED
 * (the node runs) and KEYSLOT_EPOCH_USED (re-sealing has not ended): nothing was forgotten then.
 */
export async function dropFormerEpochs(
  keyslots: string,
  password: Uint8Array,
  options: DropOptions,
): Promise<number[]> {
  const dataKey = await openKeyslot(keyslots, password, options)
  try {
    const former = [...dataKey.secrets().epochs.keys()].filter((epoch) => epoch !== dataKey.epoch)
    if (former.length === 0) return []
    options.onStep?.('chain')
    // A snapshot that was cut off while it took the chain's place may be the only copy.
    if (existsSync(`${options.chain}.sync`))
      throw new StoreError(
        'KEYSLOT_EPOCH_USED',
        'a snapshot has not taken its place yet: start the node once',
      )
    // Both stay open, and so locked, until the keyslot file is written: no node starts in between.
    await withEnvironment(options.chain, 'chain', dataKey, async (chain) => {
      const count = chain ? [...formerRecords(chain, chainTables)].length : 0
      if (count > 0) throw new StoreError('KEYSLOT_EPOCH_USED', `${count} records are not sealed anew yet`)
      options.onStep?.('votes')
      await withEnvironment(options.votes, 'votes', dataKey, async (votes) => {
        if (votes) resealAll(votes)
        options.onStep?.('files')
        resealFiles(dirname(keyslots), dataKey)
        options.onStep?.('keyslots')
        await keepNewestEpoch(keyslots, password, dataKey.epoch, options)
      })
    })
    return former
  } finally {
    dataKey.close()
  }
}

async function withEnvironment(
  folder: string,
  space: 'chain' | 'votes',
  dataKey: DataKey,
  work: (environment: SealedEnvironment | undefined) => Promise<void>,
): Promise<void> {
  if (!existsSync(join(folder, `${space}.lmdb`))) return work(undefined)
  const tables = space === 'chain' ? chainTables : votesTables
  const environment = new SealedEnvironment({ folder, space, tables, dataKey })
  try {
    await work(environment)
  } finally {
    await environment.close()
  }
}

/** Of every key in the file: a record of a table that is not known here counts as well. */
function* formerRecords(
  environment: SealedEnvironment,
  tables: readonly TableId[],
): Generator<{ id: TableId; storedKey: Uint8Array; record: Uint8Array }> {
  const sealer = environment.sealer(tables[0])
  for (const { storedKey, record } of environment.range(
    Buffer.from([table.label + 1]),
    Buffer.from([255]),
  )) {
    if (sealer.epochOf(record) === environment.epoch) continue
    yield { id: storedKey[0] as TableId, storedKey: Uint8Array.from(storedKey), record }
  }
}

/** Small by design: everything in one durable transaction. */
function resealAll(environment: SealedEnvironment): void {
  const old = [...formerRecords(environment, votesTables)].map(({ id, storedKey, record }) => {
    return { id, storedKey, ...environment.sealer(id).openEntry(storedKey, record) }
  })
  environment.write(() => {
    for (const { id, storedKey, trueKey, value } of old) environment.put(id, storedKey, trueKey, value)
  })
}

function resealFiles(folder: string, dataKey: DataKey): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    // What lies aside opens under no key any more.
    const epoch = isSetAside(path) ? undefined : sealedFileEpoch(path)
    if (epoch === undefined || epoch === dataKey.epoch) continue
    const content = readSealedFile(path, dataKey)
    if (!content) continue
    writeSealedFile(path, dataKey, content)
    content.fill(0)
  }
}
