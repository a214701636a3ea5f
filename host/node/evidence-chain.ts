// Proofs that a vote key contradicted itself, on the chain (R30, `ward/appliance`): this node puts there what
// it holds in its own file, signed with its own key, and knows what is there, whoever reported it.
//
// The contract checks both signatures and that no correct validator signs both messages; the kernel's table
// of keys says whose key it is. A key that was rotated before its proof was reported is not found any more:
// that proof stays in this node's file.
import {
  bytesToHex,
  decodeBorsh,
  encodeBorsh,
  equalBytes,
  hexToBytes,
  keyIdOf,
  type Schema,
} from '../../runtime/protocol/index.js'
import { decodeMessage, signingBytes, type SignedMessage } from '../../consensus/pbft/index.js'
import type { EquivocationJson } from '../api/network-json.js'
import type { CommitReply } from '../executor/messages.js'
import { sha256, verifySignature } from '../keys/crypto.js'
import type { KeptEvidence } from './evidence-file.js'
import type { NodeLogger } from './node-logger.js'
import type { NodeReports } from './node-reports.js'
import { Rest } from './rest.js'
import type { RunningNode } from './running-node.js'

const alias = 'ward/appliance'
/** By their numbers in the contract. */
const kinds = ['', 'proposal', 'prepare', 'commit', 'viewChange', 'heartbeat'] as const
/** Bytes of the domains that begin the signed bytes, by kind (consensus/pbft/signing.ts). */
const domainBytes = [0, 20, 19, 18, 23, 21] as const
const reportMs = 10_000
/** Between two nodes that hold the same proof: mostly the first reports it and the others see it there. */
const turnMs = 2_000
const turnsMax = 30

const fixed32: Schema = { fixed: 32 }
const fixed64: Schema = { fixed: 64 }
const fromSchema: Schema = { struct: [['from', 'u64']] }
const proofsSchema: Schema = {
  struct: [
    [
      'proofs',
      {
        vec: {
          struct: [
            ['number', 'u64'],
            ['kind', 'u8'],
            ['key', fixed32],
            ['reporter', fixed32],
            ['height', 'u64'],
            ['first', 'bytes'],
            ['firstSignature', fixed64],
            ['second', 'bytes'],
            ['secondSignature', fixed64],
          ],
        },
      },
    ],
  ],
}

interface ProofRow {
  number: bigint
  kind: number
  key: Uint8Array
  reporter: Uint8Array
  height: bigint
  first: Uint8Array
  firstSignature: Uint8Array
  second: Uint8Array
  secondSignature: Uint8Array
}

/** The parts of a running node that are used here. */
type Node = Pick<RunningNode, 'executor' | 'entity' | 'open' | 'book' | 'evidence'>

export class EvidenceOnChain {
  private rows: EquivocationJson[] = []
  private next = 0n
  private isRead = false
  private isBusy = false
  private reading: Promise<void> = Promise.resolve()
  /** Reported by this process and not wanted, or without a key: it stays in the file. */
  private readonly given = new Set<KeptEvidence>()
  private readonly rest: Rest

  constructor(
    private readonly node: Node,
    private readonly reports: Pick<NodeReports, 'report'>,
    private readonly logger: NodeLogger,
    private readonly now: () => number,
  ) {
    this.rest = new Rest(now)
  }

  /** What the chain holds against keys of its nodes, oldest first. */
  get all(): readonly EquivocationJson[] {
    return this.rows
  }

  /** By phase, zeros too; none before the chain was read: a restart is no news. */
  get counts(): [phase: string, count: number][] {
    if (!this.isRead) return []
    return kinds.slice(1).map((kind) => [kind, this.rows.filter(({ phase }) => phase === kind).length])
  }

  onCommit({ receipts }: Pick<CommitReply, 'receipts'>): void {
    if (receipts.some(({ target }) => target.startsWith(alias))) void this.read()
  }

  /** What came since; one reading at a time. Never throws. */
  read(): Promise<void> {
    this.reading = this.reading
      .then(() => this.readNew())
      .catch((error: unknown) =>
        this.logger.warn({ error: String(error) }, 'proofs on the chain could not be read'),
      )
    return this.reading
  }

  private async readNew(): Promise<void> {
    for (;;) {
      const { proofs } = await this.page()
      for (const proof of proofs) {
        const view = await this.viewOf(proof)
        if (view !== undefined) this.rows.push(view)
        // After the question: when it fails, the next reading asks for this one again.
        this.next = proof.number + 1n
      }
      if (proofs.length === 0) break
    }
    this.isRead = true
  }

  private async page(): Promise<{ proofs: ProofRow[] }> {
    const args = encodeBorsh(fromSchema, { from: this.next })
    if (!args.ok) throw new Error(args.code)
    const { executor, entity } = this.node
    const question = { target: alias, method: 'equivocations', args: args.value, caller: entity }
    const answer = await executor.call('view', question)
    // A chain that was founded without them.
    if (!answer.ok && ['CONTRACT_UNKNOWN', 'METHOD_UNKNOWN'].includes(answer.code)) return { proofs: [] }
    if (!answer.ok) throw new Error(`${alias} equivocations: ${answer.code}`)
    const decoded = decodeBorsh(proofsSchema, answer.returned)
    if (!decoded.ok) throw new Error(`${alias} equivocations: ${decoded.code}`)
    return decoded.value as unknown as { proofs: ProofRow[] }
  }

  /** Undefined: of another chain, or of a key that no node of this one ever voted with; it accuses nobody. */
  private async viewOf(row: ProofRow): Promise<EquivocationJson | undefined> {
    const at = domainBytes.at(row.kind) ?? 0
    const { chainId } = this.node.open
    if (!equalBytes(row.first.subarray(at, at + 32), chainId)) return undefined
    const keyId = keyIdOf(sha256, row.key)
    const { entity, isVoteKey } = await this.node.executor.call('keyState', { keyId })
    if (!entity || !isVoteKey) return undefined
    const place = new DataView(row.first.buffer, row.first.byteOffset + at + 32, 16)
    return {
      accused: bytesToHex(entity),
      key: bytesToHex(row.key),
      phase: kinds.at(row.kind) ?? '',
      epoch: place.getUint32(0),
      height: Number(place.getBigUint64(4)),
      view: place.getUint32(12),
      reporter: bytesToHex(row.reporter),
      keptAt: Number(row.height),
      first: bytesToHex(row.first),
      firstSignature: bytesToHex(row.firstSignature),
      second: bytesToHex(row.second),
      secondSignature: bytesToHex(row.secondSignature),
    }
  }

  /** Puts what this node holds on the chain, one at a time. Called now and then; never throws. */
  async reportOwed(): Promise<void> {
    if (this.isBusy || this.rest.isOn) return
    this.isBusy = true
    try {
      for (const kept of this.owed()) {
        const values = this.valuesOf(kept)
        if (values === undefined) {
          this.given.add(kept)
          continue
        }
        const end = await this.reports.report('reportEquivocation', values, reportMs)
        await this.read()
        if (end === 'failed') return this.rest.begin('failed')
        // Refused (no role, enough reported): again at the next start, not before.
        this.given.add(kept)
        const { accused, phase, height } = kept
        this.logger.warn({ accused, phase, height, end }, 'a proof of equivocation was reported')
        this.rest.end()
      }
    } catch (error) {
      this.logger.warn({ error: String(error) }, 'a proof could not be reported yet')
      this.rest.begin('failed')
    } finally {
      this.isBusy = false
    }
  }

  /** Held here, not on the chain, and this node's turn to say so. */
  private owed(): KeptEvidence[] {
    const turn = Math.min(turnsMax, this.node.book.self?.number ?? turnsMax) * turnMs
    const now = this.now()
    return this.node.evidence.all.filter(
      (kept) => !this.given.has(kept) && now - kept.seenAt >= turn && !this.isOnChain(kept),
    )
  }

  isOnChain({ accused, phase, epoch, height, view }: KeptEvidence): boolean {
    return this.rows.some(
      (row) =>
        row.accused === accused &&
        row.phase === phase &&
        row.epoch === epoch &&
        row.height === height &&
        (phase === 'heartbeat' || row.view === view),
    )
  }

  /** Undefined: neither message is signed with the key that this node has in the book. */
  private valuesOf(kept: KeptEvidence): Record<string, unknown> | undefined {
    const { chainId } = this.node.open
    const bytes = hexToBytes(kept.message)
    const decoded = bytes && decodeMessage(bytes, chainId)
    if (!decoded?.ok || decoded.value.type !== 'evidence') return undefined
    const { first, second } = decoded.value
    const key = this.node.book.all.find(({ entity }) => equalBytes(entity, first.sender))?.voteKey
    if (key === undefined) return undefined
    const signed = (message: SignedMessage): Uint8Array => signingBytes(message, chainId, sha256)
    const isOfKey = [first, second].every((message) =>
      verifySignature(key, signed(message), message.signature),
    )
    if (!isOfKey) return undefined
    return {
      ...{ key, kind: kinds.indexOf(first.type) },
      ...{ first: signed(first), firstSignature: first.signature },
      ...{ second: signed(second), secondSignature: second.signature },
    }
  }
}
