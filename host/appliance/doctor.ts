// The offline check of a node's folder: every seal, every tree page against the root, every block against
// its parent and its certificate, every record by every index, and the small sealed files. It changes
// nothing it reads.
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import {
  bytesToHex,
  decodeGenesis,
  decodeResult,
  equalBytes,
  errorTable,
  genesisValidators,
  type Validator,
} from '../../runtime/protocol/index.js'
import { decodeRow, onlyKey, store as stores, validatorRow } from '../../runtime/execution/kernel-tables.js'
import { genesisNote, validatorsNote } from '../executor/block-write.js'
import { sha256 } from '../keys/crypto.js'
import { decodeIdentity, destroyIdentity } from '../keys/node-identity.js'
import { nodeFiles } from '../node/node-config.js'
import {
  listKeyslots,
  openChainStore,
  isSetAside,
  openKeyslot,
  readSealedFile,
  sealedFileEpoch,
  StoreError,
  verifyChainStore,
  type ChainStore,
  type DataKey,
  type Finding,
} from '../store/index.js'
import { SealedEnvironment } from '../store/sealed-environment.js'
import { chainTables, table, tableName, votesTables, type TableId } from '../store/tables.js'
import { ApplianceError } from './appliance-error.js'
import { readManifests } from '../executor/recovery-book.js'
import { BlockCheck } from './block-check.js'
import { checkRecordIndex, untilDamage } from './index-check.js'

export interface DoctorReport {
  height: number
  /** Sealed records of the chain that were opened. */
  sealedRecords: number
  /** Sealed records of the votes that were opened. */
  voteRecords: number
  /** Sealed files beside them that were opened, by their names in the folder; what is wrong: `findings`. */
  sealedFiles: string[]
  ledgerRecords: number
  transactions: number
  certificatesChecked: number
  /**
   * Certificates of validator sets that this store does not keep: linked by hashes, not verified by
   * signatures.
   */
  certificatesUnknown: number
  /** Blocks below this height have no payload here any more. */
  prunedBelow: number
  /** Key epochs whose secrets this node's keyslots hold, the newest last. */
  keyEpochs: number[]
  findings: DoctorFinding[]
}

export type DoctorFinding = Omit<Finding, 'table'> & { table: string }

export interface DoctorOptions {
  folder: string
  /** Store password; the caller zeroes it. */
  password: Uint8Array
  onProgress?: (label: string, done: number, total: number) => void
}

/** Throws NODE_ABSENT, NODE_RUNNING, GENESIS_UNKNOWN, KEYSLOT_REJECTED; damage is in the findings. */
export async function examineNode(options: DoctorOptions): Promise<DoctorReport> {
  const files = nodeFiles(options.folder)
  if (!existsSync(files.keyslots)) throw new ApplianceError('NODE_ABSENT', options.folder)
  const dataKey = await openKeyslot(files.keyslots, options.password)
  try {
    if (!existsSync(path.join(files.chain, 'chain.lmdb'))) throw new ApplianceError('GENESIS_UNKNOWN')
    const store = openUnused(files.chain, dataKey, options)
    try {
      const report = examineStore(store, options)
      const votes = await examineVotes(files.votes, dataKey, options)
      const beside = sealedFiles(options.folder, dataKey)
      const findings = [...report.findings, ...votes.findings, ...beside.findings]
      const keyEpochs = listKeyslots(files.keyslots).epochs
      return { ...report, voteRecords: votes.records, sealedFiles: beside.names, keyEpochs, findings }
    } finally {
      await store.close()
    }
  } finally {
    dataKey.close()
  }
}

function openUnused(folder: string, dataKey: DataKey, { onProgress }: DoctorOptions): ChainStore {
  try {
    // The engine would end this process on a damaged page.
    return openChainStore(folder, dataKey, {
      onStructure: (pages, total) => onProgress?.('looking at pages', pages, total),
    })
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'STORE_LOCKED') throw error
    throw new ApplianceError('NODE_RUNNING', error.message, error)
  }
}

/** Record by record and not as a store of votes: opening one renews its token. */
async function examineVotes(
  folder: string,
  dataKey: DataKey,
  { onProgress }: DoctorOptions,
): Promise<{ records: number; findings: DoctorFinding[] }> {
  if (!existsSync(path.join(folder, 'votes.lmdb'))) return { records: 0, findings: [] }
  const findings: DoctorFinding[] = []
  let records = 0
  const find = (table: string, key: Uint8Array, error: unknown): void => {
    if (!(error instanceof StoreError)) throw error
    findings.push({ table, storedKey: bytesToHex(key), code: error.code, message: error.message })
  }
  try {
    const onStructure = (pages: number, total: number): void =>
      onProgress?.('looking at pages of votes', pages, total)
    const options = { folder, space: 'votes', tables: votesTables, dataKey, onStructure } as const
    const environment = new SealedEnvironment(options)
    try {
      for (const id of votesTables) records += openAll(environment, id, find)
    } finally {
      await environment.close()
    }
  } catch (error) {
    find('votes', new Uint8Array(0), error)
  }
  return { records, findings }
}

type Find = (table: string, key: Uint8Array, error: unknown) => void

function openAll(environment: SealedEnvironment, id: TableId, find: Find): number {
  let count = 0
  try {
    for (const { storedKey, record } of environment.range(Buffer.from([id]), Buffer.from([id + 1]))) {
      count += 1
      try {
        environment.sealer(id).openEntry(storedKey, record)
      } catch (error) {
        find(tableName(id), storedKey, error)
      }
    }
  } catch (error) {
    find(tableName(id), new Uint8Array(0), error)
  }
  return count
}

function examineStore(
  store: ChainStore,
  { onProgress }: DoctorOptions,
): Omit<DoctorReport, 'keyEpochs' | 'voteRecords' | 'sealedFiles'> {
  const genesisBytes = store.note(genesisNote)
  if (!genesisBytes) throw new ApplianceError('GENESIS_UNKNOWN')
  const genesis = decodeGenesis(genesisBytes)
  if (!genesis.ok) throw new ApplianceError('GENESIS_UNKNOWN', genesis.code)
  const sets = [genesisValidators(genesis.value), ...knownSets(store)]
  const noteFindings: DoctorFinding[] = []
  const firstPayload = noted(noteFindings, 'first-payload', 0, () => store.firstPayload())
  const manifests = noted(noteFindings, 'recoveries', [], () => readManifests(store))
  const blocks = new BlockCheck(store, genesisBytes, sets, firstPayload, manifests)
  const totals = recordTotals(store)
  // That it cannot be read is a finding of `verifyChainStore`.
  const height = noted([], 'applied', 0, () => store.applied()?.height ?? 0)
  const verified = verifyChainStore(store, {
    hash: sha256,
    leafSalt: genesis.value.leafSalt,
    onProgress: ({ table, checked }) =>
      onProgress?.(`checking ${table}`, checked, totals.get(table) ?? height),
    checkBlock: (block) => blocks.check(block),
  })
  const findings: DoctorFinding[] = [...verified.findings, ...noteFindings]
  // What ends the opening of the tree is a finding of its own: there is no root to compare.
  if (verified.isTreeOpen) findings.push(...rootFinding(store, verified.stateRoot))
  const ledgerTotal = totals.get('index') ?? 0
  const index = checkRecordIndex(store, (done) => onProgress?.('looking records up', 4 * done, ledgerTotal))
  findings.push(...index.findings)
  return {
    height: verified.height,
    sealedRecords: Object.values(verified.recordCounts).reduce((sum, count) => sum + count, 0),
    ledgerRecords: index.records,
    transactions: blocks.transactions,
    certificatesChecked: blocks.certificatesChecked,
    certificatesUnknown: blocks.certificatesUnknown,
    prunedBelow: firstPayload,
    findings,
  }
}

/** A note, or what stands for it when it, or what lies beside its place, is damaged. */
function noted<T>(findings: DoctorFinding[], name: string, otherwise: T, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    const message = `${name} cannot be read and is taken as not there: ${error.message}`
    findings.push({ table: tableName(table.note), storedKey: '', code: error.code, message })
    return otherwise
  }
}

/** How many records each table has, for the progress bar: keys are counted, nothing is opened. */
function recordTotals(store: ChainStore): Map<string, number> {
  const totals = new Map<string, number>()
  for (const id of chainTables) {
    let count = 0
    for (const _row of untilDamage(store, id)) count += 1
    totals.set(tableName(id), count)
  }
  return totals
}

/**
 * The set of the next block, and the set that signed the tip; damage to these rows is found by their
 * seals.
 */
function knownSets(store: ChainStore): Validator[][] {
  const rows = [() => store.get(stores.validator, onlyKey), () => store.note(validatorsNote)]
  return rows.flatMap((read) => {
    try {
      const row = read()
      return row ? [decodeRow<Validator[]>(validatorRow, row)] : []
    } catch {
      return []
    }
  })
}

/**
 * The tree must have the root that the last certificate vouches for, not only the one that the store
 * noted.
 */
function rootFinding(store: ChainStore, root: Uint8Array): DoctorFinding[] {
  try {
    const applied = store.applied()
    const block = applied && store.blockAt(applied.height)
    const result = block && decodeResult(block.result)
    if (result?.ok && equalBytes(result.value.stateRoot, root)) return []
  } catch {
    // The finding of the record that cannot be read.
    return []
  }
  const message = 'the state does not have the root of the last certified result'
  return [{ table: 'outcome', storedKey: '', code: 'STORE_DAMAGED', message }]
}

/** Every sealed file of the folder, also one whose head is gone. */
function sealedFiles(folder: string, dataKey: DataKey): { names: string[]; findings: DoctorFinding[] } {
  const files = nodeFiles(folder)
  const findings: DoctorFinding[] = []
  const names: string[] = []
  const attempt = (file: string, work: () => void): void => {
    try {
      work()
      if (existsSync(file)) names.push(path.relative(folder, file))
    } catch (error) {
      const { code = 'STORE_DAMAGED', message } = error as { code?: string; message: string }
      findings.push({ table: path.relative(folder, file), storedKey: '', code, message })
    }
  }
  attempt(files.identity, () => {
    const bytes = readSealedFile(files.identity, dataKey)
    if (!bytes) throw new StoreError('STORE_DAMAGED', 'the identity is missing: this node cannot join')
    destroyIdentity(decodeIdentity(bytes))
    bytes.fill(0)
  })
  for (const file of sealedBeside(folder)) {
    attempt(file, () => {
      if (isSetAside(file)) throw new StoreError('RECORD_ALTERED', errorTable.SHARES_SET_ASIDE.sentence)
      readSealedFile(file, dataKey)?.fill(0)
    })
  }
  return { names, findings }
}

/** By content, and by the end of the name when the content is cut. */
function sealedBeside(folder: string): string[] {
  const { identity, votes } = nodeFiles(folder)
  const isSealed = (file: string): boolean => {
    if (file.endsWith('.sealed') || isSetAside(file)) return true
    try {
      return sealedFileEpoch(file) !== undefined
    } catch {
      // The attempt to read it says why.
      return true
    }
  }
  const token = path.join(votes, 'votes.token')
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => file !== identity && file !== token && isSealed(file))
  return [token, ...found.sort()]
}
