// The recovery manifests that this node has taken: checked, then kept among the notes of its store.
import {
  decodeCbor,
  decodeRecovery,
  encodeCbor,
  recoveriesMax,
  type BlockHeader,
  type CborValue,
  type RecoveryFields,
} from '../../runtime/protocol/index.js'
import { checkRecovery, type RecoveryPoint } from '../../runtime/execution/index.js'
import type { StateReader } from '../../runtime/state/index.js'
import type { RecoveryBase, ValidatorSet } from '../../consensus/pbft/types.js'
import { verifySignature } from '../keys/crypto.js'
import type { ChainStore } from '../store/index.js'
import { recoveriesNote } from './block-write.js'
import type { RecoverReply } from './messages.js'
import { validatorSet } from './validator-set.js'

interface Kept {
  bytes: Uint8Array
  fields: RecoveryFields
}

/** Of the chain store. */
type Notes = Pick<ChainStore, 'note' | 'putNote'>

export class RecoveryBook {
  private kept: Kept[]

  constructor(private readonly store: Notes) {
    this.kept = readManifests(store).map(keptOf)
  }

  /** Oldest first. */
  get manifests(): Uint8Array[] {
    return this.kept.map(({ bytes }) => bytes)
  }

  get bases(): RecoveryBase[] {
    return this.kept.map(({ fields: { epoch, baseHeight, baseHash, validators } }) => ({
      ...{ epoch, baseHeight, baseHash },
      validators: validatorSet(validators),
    }))
  }

  /** Who votes above this tip, if a recovery says so. */
  validatorsAbove(height: number): ValidatorSet | undefined {
    const found = this.kept.find(({ fields }) => fields.baseHeight === height)
    return found && validatorSet(found.fields.validators)
  }

  /** The manifest that the block with this header begins an epoch with. */
  manifestOf({ height, epoch }: Pick<BlockHeader, 'height' | 'epoch'>): Uint8Array | undefined {
    return this.kept.find(({ fields }) => fields.baseHeight === height - 1 && fields.epoch === epoch)?.bytes
  }

  /** Durable when it answers `ok`, unless it is a trial. */
  take(bytes: Uint8Array, at: RecoveryPoint, state: StateReader, isTrial: boolean): RecoverReply {
    const decoded = decodeRecovery(bytes)
    const newest = this.kept.at(-1)?.fields.epoch ?? 0
    const point = { ...at, epoch: Math.max(at.epoch, newest) }
    const checked = checkRecovery(bytes, point, state, verifySignature)
    // The same words again are no news, whoever else signed them meanwhile.
    if (decoded.ok && this.kept.some((kept) => isSame(kept.bytes, decoded.value.signedPart))) {
      const { epoch, baseHeight } = decoded.value.fields
      return { ok: true, isNew: false, epoch, baseHeight }
    }
    if (!checked.ok) return { ok: false, code: checked.code, detail: checked.detail ?? '' }
    const fields = checked.value
    // One that never got a block of its own is overtaken: its base is not below the new one's.
    const before = this.kept.filter((kept) => kept.fields.baseHeight < fields.baseHeight)
    if (before.length >= recoveriesMax)
      return { ok: false, code: 'LIMIT_EXCEEDED', detail: `${recoveriesMax} recoveries` }
    const reply: RecoverReply = {
      ok: true,
      isNew: true,
      epoch: fields.epoch,
      baseHeight: fields.baseHeight,
    }
    if (isTrial) return reply
    const next = [...before, { bytes, fields }]
    this.store.putNote(recoveriesNote, encodeManifests(next.map((kept) => kept.bytes)))
    this.kept = next
    return reply
  }
}

export const encodeManifests = (manifests: readonly Uint8Array[]): Uint8Array => encodeCbor([...manifests])

/** Oldest first. */
export function readManifests(store: Pick<Notes, 'note'>): Uint8Array[] {
  const note = store.note(recoveriesNote)
  const decoded = note && decodeCbor(note)
  if (!decoded?.ok || !Array.isArray(decoded.value)) return []
  return decoded.value.filter((item: CborValue): item is Uint8Array => item instanceof Uint8Array)
}

function keptOf(bytes: Uint8Array): Kept {
  const decoded = decodeRecovery(bytes)
  if (!decoded.ok)
    throw Object.assign(new Error('a stored recovery manifest is none'), { code: 'STORE_DAMAGED' })
  return { bytes, fields: decoded.value.fields }
}

function isSame(bytes: Uint8Array, signedPart: Uint8Array): boolean {
  const decoded = decodeRecovery(bytes)
  return decoded.ok && Buffer.compare(decoded.value.signedPart, signedPart) === 0
}
