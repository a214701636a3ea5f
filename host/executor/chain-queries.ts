// Answers pinned to the last final height: records with their bodies, receipts, contracts, views, blocks
// for peers.
import {
  bytesToHex,
  concatBytes,
  decodeCertificate,
  decodeHeader,
  decodeManifest,
  decodeReceipt,
  decodeResult,
  entityKind,
  equalBytes,
  utf8,
} from '../../runtime/protocol/index.js'
import {
  listAliases,
  readKey,
  readNode,
  type ExecutionPorts,
  type ModuleCache,
} from '../../runtime/execution/index.js'
import {
  aliasRow,
  codeRow,
  codeTimePartition,
  decodeRow,
  kindTimePartition,
  recordIndex,
  store as tables,
  type AliasRow,
  type CodeRow,
} from '../../runtime/execution/kernel-tables.js'
import type { FinalBlock } from '../../consensus/pbft/types.js'
import { sha256, verifySignature } from '../keys/crypto.js'
import type { ChainStore } from '../store/index.js'
import type { ChainState } from './chain-state.js'
import type {
  ContractReply,
  ExecutorCalls,
  LedgerEntry,
  PageQuery,
  PageReply,
  Pin,
  ReceiptEntry,
  RecordsQuery,
  ViewQuery,
  ViewReply,
} from './messages.js'
import { recordPage } from './record-pages.js'
import { receiptEntries } from './reply-views.js'
import { attachPayload } from './stored-payload.js'
import { aliasReplies, scheduleReplies } from './version-queries.js'
import { answerView } from './view-query.js'

const plainPorts: ExecutionPorts = { hash: sha256, verify: verifySignature }
const recordLimitMax = 500
/**
 * One page by arrival must be able to hold every record of one height, or a list could never get past it.
 * No block holds more: 8 MiB at 128 bytes for the smallest signed record.
 */
export const arrivalLimitMax = 65_536

/** Newest, or pinned to one height. */
type QueriedStore = Pick<
  ChainStore,
  'get' | 'blockAt' | 'firstPayload' | 'transactionLocation' | 'patientBody' | 'attachmentByHash'
>

export class ChainQueries {
  constructor(
    private readonly store: QueriedStore,
    private readonly state: ChainState,
    private readonly cache: ModuleCache,
    /** What is the newest height of `state`. */
    readonly pin: () => Pin,
    private readonly ports: ExecutionPorts = plainPorts,
  ) {}

  /** By patient: kind, optional code, effective time. Without a patient: kind by arrival height. */
  records(query: RecordsQuery): { pin: Pin; records: LedgerEntry[] } {
    const limit = Math.min(query.limit, query.patient ? recordLimitMax : arrivalLimitMax)
    const [table, partition] = indexOf(query)
    const from = BigInt(Math.max(0, query.from))
    const to = BigInt(query.to)
    const rows = this.state.scanIndex(tables.record, table, partition, from, to, limit, query.newest)
    const records = rows.flatMap((row) => this.entry(row.value) ?? [])
    return { pin: this.pin(), records }
  }

  page(query: PageQuery): PageReply | null {
    return recordPage(query, {
      state: this.state,
      pinAt: (height) => this.pinAt(height),
      entry: (id) => this.entry(id),
    })
  }

  /** What a height says of itself; null above the tip. */
  private pinAt(height: number | null): Pin | null {
    const tip = this.pin()
    if (height === null || height === tip.height) return tip
    const block = height < tip.height ? this.store.blockAt(height) : undefined
    const header = block && decodeHeader(block.header)
    const result = block && decodeResult(block.result)
    if (!header?.ok || !result?.ok) return null
    return { height, blockTime: header.value.time, stateRoot: result.value.stateRoot }
  }

  record(id: Uint8Array): { pin: Pin; record: LedgerEntry | null } {
    return { pin: this.pin(), record: this.entry(id) ?? null }
  }

  private entry(id: Uint8Array): LedgerEntry | undefined {
    const row = this.state.recordRow(id)
    if (!row) return undefined
    const body = this.state.bodyOf(id)
    return {
      id,
      kind: row.header.kind,
      patient: row.header.patient,
      code: row.header.code,
      effectiveTime: row.header.effectiveTime,
      arrivalHeight: row.height,
      arrivalTime: row.time,
      number: row.number,
      author: row.author,
      origin: row.origin ?? null,
      supersedes: row.header.supersedes ?? null,
      body: body === undefined || body === 'erased' ? null : body.content,
    }
  }

  /** The receipt of a transaction, followed by those of what it triggered in the same block. */
  receipt(id: Uint8Array): { pin: Pin; receipts: ReceiptEntry[] } {
    const place = this.store.transactionLocation(id)
    const block = place && this.store.blockAt(place.height)
    if (!place || !block) return { pin: this.pin(), receipts: [] }
    const header = place.height === 0 ? undefined : decodeHeader(block.header)
    const time = header?.ok ? header.value.time : 0
    const receipts = block.receipts.slice(place.index).flatMap((bytes) => {
      const receipt = decodeReceipt(bytes)
      return receipt.ok ? [receipt.value] : []
    })
    const causes = new Set([bytesToHex(id)])
    const related = receipts.filter((receipt, index) => {
      const caused = receipt.cause !== undefined && causes.has(bytesToHex(receipt.cause))
      if (caused) causes.add(bytesToHex(receipt.transactionId))
      return index === 0 || caused
    })
    return { pin: this.pin(), receipts: receiptEntries(related, place.height, time) }
  }

  view(query: ViewQuery): ViewReply {
    const timeOf = (height: number): number => this.pinAt(height)?.blockTime ?? 0
    return answerView(query, this.pin(), this.state, this.cache, this.ports, timeOf)
  }

  contract(target: string | Uint8Array): ContractReply | null {
    const address = typeof target === 'string' ? this.activeAddress(target) : target
    const row = address && this.store.get(tables.code, address)
    if (!address || !row) return null
    const code = decodeRow<CodeRow>(codeRow, row)
    const manifestBytes = this.store.attachmentByHash(code.manifest)
    const manifest = manifestBytes && decodeManifest(manifestBytes)
    if (!manifest?.ok) return null
    const page = manifest.value.type === 'page' ? (this.store.attachmentByHash(code.code) ?? null) : null
    return { address, manifest: manifest.value, page, codeHash: code.code }
  }

  private activeAddress(alias: string): Uint8Array | undefined {
    const row = this.store.get(tables.alias, utf8(alias))
    return row && decodeRow<AliasRow>(aliasRow, row).active
  }

  contracts(): ExecutorCalls['contracts'][1] {
    return listAliases(this.state).flatMap((alias) => {
      const reply = this.contract(alias)
      if (!reply) return []
      const { version, type, title } = reply.manifest
      return [{ alias, version, type, title, address: reply.address }]
    })
  }

  versions(alias: string): ExecutorCalls['versions'][1] {
    const { height, blockTime: time } = this.pin()
    return {
      pin: this.pin(),
      aliases: aliasReplies(this.state, alias),
      schedules: scheduleReplies(this.state, { height, time }, this.cache),
    }
  }

  sequence(keyId: Uint8Array, stream: number): number {
    const row = this.store.get(tables.sequence, concatBytes(keyId, new Uint8Array([stream])))
    return row ? Number(new DataView(row.buffer, row.byteOffset).getBigUint64(0)) : -1
  }

  keyState(keyId: Uint8Array): ExecutorCalls['keyState'][1] {
    const key = readKey(this.state, keyId)
    if (!key) return { state: 'unknown', entity: null, publicKey: null, isVoteKey: false }
    const { entity, publicKey, revoked } = key
    const node = key.kind === entityKind.node ? readNode(this.state, entity) : undefined
    return {
      ...{ state: revoked ? 'revoked' : 'valid', entity: entity.slice(), publicKey: publicKey.slice() },
      // A former vote key is revoked in the block that takes its place.
      isVoteKey: node !== undefined && (revoked || equalBytes(node.voteKey, publicKey)),
    }
  }

  finalBlocks(fromHeight: number, count: number, bytesMax: number): FinalBlock[] {
    const blocks: FinalBlock[] = []
    let bytes = 0
    const source = {
      body: (patient: Uint8Array, hash: Uint8Array) => {
        const body = this.store.patientBody(patient, hash)
        return body.ok ? body.value : undefined
      },
      attachment: (hash: Uint8Array) => this.store.attachmentByHash(hash),
    }
    // What was pruned travels by snapshot only.
    if (fromHeight < this.store.firstPayload()) return []
    for (let height = Math.max(1, fromHeight); blocks.length < count; height += 1) {
      const stored = this.store.blockAt(height)
      if (!stored || stored.payload.length === 0) break
      const payload = attachPayload(stored.payload, source)
      const header = decodeHeader(stored.header)
      const result = decodeResult(stored.result)
      const certificate = decodeCertificate(stored.certificate)
      if (!payload || !header.ok || !result.ok || !certificate.ok) break
      bytes += payload.length
      if (blocks.length > 0 && bytes > bytesMax) break
      blocks.push({
        block: { header: header.value, payload },
        result: result.value,
        certificate: certificate.value,
      })
    }
    return blocks
  }
}

function indexOf(query: RecordsQuery): [table: number, partition: Uint8Array] {
  if (!query.patient) return [recordIndex.kindArrival, new Uint8Array([query.kind])]
  if (query.code === '') return [recordIndex.kindTime, kindTimePartition(query.patient, query.kind)]
  return [recordIndex.codeTime, codeTimePartition(query.patient, query.kind, utf8(query.code))]
}
