// The recovery manifests that this node has taken: checked, then kept among the notes of its store. And the
// one that it was told of and must not vote against until its operator has given it.
import {
  checkRecoverySignatures,
  decodeCbor,
  decodeRecovery,
  decodeRecoveryNotice,
  encodeCbor,
  equalBytes,
  hasEpochBegun,
  recoveriesMax,
  type BlockHeader,
  type CborValue,
  type KeyQuorum,
  type RecoveryFields,
} from '../../runtime/protocol/index.js'
import { checkRecovery, type RecoveryPoint } from '../../runtime/execution/index.js'
import type { StateReader } from '../../runtime/state/index.js'
import { epochOf } from '../../consensus/pbft/epochs.js'
import type { RecoveryBase, ValidatorSet } from '../../consensus/pbft/types.js'
import { sha256, verifySignature } from '../keys/crypto.js'
import type { ChainStore } from '../store/index.js'
import { recoveriesNote, toldNote } from './block-write.js'
import type { HearReply, RecoverReply, Told } from './messages.js'
import { validatorSet } from './validator-set.js'

export interface KeptManifest {
  bytes: Uint8Array
  fields: RecoveryFields
}

/** Of the chain store. */
type Notes = Pick<ChainStore, 'note' | 'putNote'>

export class RecoveryBook {
  private keptNow: KeptManifest[]

  constructor(private readonly store: Notes) {
    this.keptNow = readManifests(store).map(keptOf)
  }

  /**
   * As it was kept, each manifest checked again: of this chain, signed by enough of its institution keys, in
   * order. Throws STORE_DAMAGED.
   */
  static load(store: Notes, chainId: Uint8Array, quorum: KeyQuorum | undefined): RecoveryBook {
    const book = new RecoveryBook(store)
    book.keptNow.forEach((kept, index) => {
      const problem = problemOf(kept, book.keptNow.at(index - 1), index, { chainId, quorum })
      if (problem !== undefined) throw damaged(`a stored recovery manifest is ${problem}`)
    })
    return book
  }

  /** Oldest first. */
  get kept(): readonly KeptManifest[] {
    return this.keptNow
  }

  get manifests(): Uint8Array[] {
    return this.keptNow.map(({ bytes }) => bytes)
  }

  get bases(): RecoveryBase[] {
    return this.keptNow.map(({ fields: { epoch, baseHeight, baseHash, validators } }) => ({
      ...{ epoch, baseHeight, baseHash },
      validators: validatorSet(validators),
    }))
  }

  private get newestEpoch(): number {
    return this.keptNow.at(-1)?.fields.epoch ?? 0
  }

  /** Who votes above this tip, if a recovery says so. */
  validatorsAbove(height: number): ValidatorSet | undefined {
    const found = this.keptNow.find(({ fields }) => fields.baseHeight === height)
    return found && validatorSet(found.fields.validators)
  }

  /** The manifest that the block with this header begins an epoch with. */
  manifestOf({ height, epoch }: Pick<BlockHeader, 'height' | 'epoch'>): Uint8Array | undefined {
    return this.keptNow.find(({ fields }) => fields.baseHeight === height - 1 && fields.epoch === epoch)
      ?.bytes
  }

  /** False: a block of an epoch that a kept manifest has ended below this height, or not yet begun. */
  isInEpoch({ height, epoch }: Pick<BlockHeader, 'height' | 'epoch'>): boolean {
    return epochOf({ epoch, recoveries: this.bases }, height) === epoch
  }

  /** Durable when it answers `ok`, unless it is a trial. */
  take(bytes: Uint8Array, at: RecoveryPoint, state: StateReader, isTrial: boolean): RecoverReply {
    const decoded = decodeRecovery(bytes)
    const checked = checkRecovery(bytes, at, state, verifySignature)
    // The same words again are no news, whoever else signed them meanwhile.
    if (decoded.ok && this.isKept(decoded.value.signedPart)) {
      const { epoch, baseHeight } = decoded.value.fields
      return { ok: true, isNew: false, epoch, baseHeight }
    }
    if (!checked.ok) return { ok: false, code: checked.code, detail: checked.detail ?? '' }
    const fields = checked.value
    // A later one may be here already, when its operator gave the newest first: this one must lie below it.
    const after = this.keptNow.filter((kept) => kept.fields.epoch >= fields.epoch)
    if (
      after.some(
        (kept) => kept.fields.epoch === fields.epoch || kept.fields.baseHeight <= fields.baseHeight,
      )
    )
      return { ok: false, code: 'RECOVERY_STALE', detail: `epoch ${fields.epoch} is overtaken here` }
    // One that never got a block of its own is overtaken: its base is not below the new one's.
    const before = this.keptNow.filter(
      (kept) => kept.fields.epoch < fields.epoch && kept.fields.baseHeight < fields.baseHeight,
    )
    if (before.length + after.length >= recoveriesMax)
      return { ok: false, code: 'LIMIT_EXCEEDED', detail: `${recoveriesMax} recoveries` }
    const reply: RecoverReply = {
      ok: true,
      isNew: true,
      epoch: fields.epoch,
      baseHeight: fields.baseHeight,
    }
    if (isTrial) return reply
    const next = [...before, { bytes, fields }, ...after]
    this.store.putNote(recoveriesNote, encodeManifests(next.map((kept) => kept.bytes)))
    this.keptNow = next
    return reply
  }

  /**
   * What a peer of a newer epoch handed over. Only a block of that epoch, final by the very set that the
   * manifest names, stops or moves this node: a manifest that was signed and given up does neither.
   * `stop` is durable: a validator that was told does not vote again after a restart.
   */
  hear(notice: Uint8Array, at: RecoveryPoint, state: StateReader, hasVote: boolean): HearReply {
    const given = decodeRecoveryNotice(notice)
    if (!given.ok) return { verdict: 'refused', code: given.code, detail: given.detail ?? '' }
    const { manifest } = given.value
    const decoded = decodeRecovery(manifest)
    const checked = checkRecovery(manifest, this.pointOf(at), state, verifySignature)
    const refusal = checked.ok ? undefined : { code: checked.code, detail: checked.detail ?? '' }
    if (!decoded.ok || (refusal && !stopping.includes(refusal.code)))
      return { verdict: 'refused', ...refusal! }
    const { fields, signedPart } = decoded.value
    const { epoch, baseHeight } = fields
    if (this.isKept(signedPart)) return { verdict: 'refused', code: 'RECOVERY_STALE', detail: 'known' }
    if (!hasEpochBegun(given.value, fields, { hash: sha256, verify: verifySignature }))
      return { verdict: 'paper', epoch, baseHeight }
    if (!hasVote && refusal === undefined) return { verdict: 'move', epoch, baseHeight, manifest }
    const why = refusal
      ? `${refusal.code}: ${refusal.detail}`
      : `epoch ${epoch} began above height ${baseHeight}`
    if (epoch > (this.told(at.epoch)?.epoch ?? 0)) this.store.putNote(toldNote, notice)
    return { verdict: 'stop', detail: why }
  }

  /** The epoch that this node was shown and has not been given yet; `epoch`: of its tip. */
  told(epoch: number): Told | null {
    const note = this.store.note(toldNote)
    const notice = note && decodeRecoveryNotice(note)
    const decoded = notice?.ok ? decodeRecovery(notice.value.manifest) : undefined
    if (!decoded?.ok || decoded.value.fields.epoch <= Math.max(epoch, this.newestEpoch)) return null
    const { fields } = decoded.value
    return { epoch: fields.epoch, baseHeight: fields.baseHeight }
  }

  private pointOf(at: RecoveryPoint): RecoveryPoint {
    return { ...at, epoch: Math.max(at.epoch, this.newestEpoch) }
  }

  private isKept(signedPart: Uint8Array): boolean {
    return this.keptNow.some((kept) => isSame(kept.bytes, signedPart))
  }
}

/** Of a manifest that is genuine: this node may not follow it, but must not vote against it either. */
const stopping = ['RECOVERY_BELOW_TIP', 'RECOVERY_OTHER_BRANCH']

export const encodeManifests = (manifests: readonly Uint8Array[]): Uint8Array => encodeCbor([...manifests])

export function readManifests(store: Pick<Notes, 'note'>): Uint8Array[] {
  const note = store.note(recoveriesNote)
  const decoded = note && decodeCbor(note)
  if (!decoded?.ok || !Array.isArray(decoded.value)) return []
  return decoded.value.filter((item: CborValue): item is Uint8Array => item instanceof Uint8Array)
}

function keptOf(bytes: Uint8Array): KeptManifest {
  const decoded = decodeRecovery(bytes)
  if (!decoded.ok) throw damaged('a stored recovery manifest is none')
  return { bytes, fields: decoded.value.fields }
}

const damaged = (what: string): Error => Object.assign(new Error(what), { code: 'STORE_DAMAGED' })

function problemOf(
  { bytes, fields }: KeptManifest,
  before: KeptManifest | undefined,
  index: number,
  { chainId, quorum }: { chainId: Uint8Array; quorum: KeyQuorum | undefined },
): string | undefined {
  if (!equalBytes(fields.chainId, chainId)) return 'of another chain'
  const decoded = decodeRecovery(bytes)
  const isSigned =
    decoded.ok &&
    quorum !== undefined &&
    checkRecoverySignatures(decoded.value, quorum, verifySignature).isEnough
  if (!isSigned) return 'not signed by enough institution keys'
  const isInOrder =
    index === 0 ||
    (before !== undefined &&
      before.fields.epoch < fields.epoch &&
      before.fields.baseHeight < fields.baseHeight)
  return isInOrder ? undefined : 'out of order'
}

function isSame(bytes: Uint8Array, signedPart: Uint8Array): boolean {
  const decoded = decodeRecovery(bytes)
  return decoded.ok && equalBytes(decoded.value.signedPart, signedPart)
}
