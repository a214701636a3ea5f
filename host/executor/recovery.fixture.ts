// Manifests, notices and a book as they are on a real node, with real keys, on notes in memory.
import {
  encodeCertificate,
  encodeHeader,
  encodeRecovery,
  encodeRecoveryFields,
  encodeRecoveryNotice,
  recoverySigningBytes,
  validatorsHash,
  voteSigningBytes,
  type BlockHeader,
  type RecoveryFields,
} from '../../runtime/protocol/index.js'
import {
  encodeRow,
  institutionKey,
  institutionRow,
  store as tables,
} from '../../runtime/execution/kernel-tables.js'
import type { StateReader } from '../../runtime/state/index.js'
import { generateSigningKey, sha256, signDetached, type SigningKey } from '../keys/crypto.js'

export const chainId = new Uint8Array(32).fill(1)
export const entity = (number: number): Uint8Array => new Uint8Array(32).fill(number)
export const institution = [generateSigningKey(), generateSigningKey(), generateSigningKey()]
/** Vote keys of the nodes 1 to 8. */
const votes = Array.from({ length: 9 }, () => generateSigningKey())

const row = encodeRow(institutionRow, {
  threshold: 2,
  keys: institution.map((key) => new Uint8Array(key.publicKey)),
})

/** Of a chain whose founding document names the institution keys above. */
export const state: StateReader = {
  get: (store, key) => (store === tables.chain && key[0] === institutionKey[0] ? row : undefined),
  scan: () => [],
}

export const memberOf = (number: number) => ({
  entity: entity(number),
  voteKey: new Uint8Array(votes[number].publicKey),
})

export function fieldsOf(epoch: number, baseHeight: number, members: readonly number[]): RecoveryFields {
  return {
    ...{ chainId, epoch, baseHeight, certificate: new Uint8Array(0), reason: 'fire' },
    baseHash: new Uint8Array(32).fill(baseHeight),
    validators: members.map(memberOf),
  }
}

export function manifestOf(
  fields: RecoveryFields,
  keys: readonly SigningKey[] = institution.slice(1),
): Uint8Array {
  const signedPart = encodeRecoveryFields(fields)
  const signatures = keys.map((key) => ({
    key: new Uint8Array(key.publicKey),
    signature: signDetached(key, recoverySigningBytes(signedPart)),
  }))
  return encodeRecovery({ signedPart, signatures })
}

export const paperOf = (manifest: Uint8Array): Uint8Array =>
  encodeRecoveryNotice({ manifest, header: new Uint8Array(0), certificate: new Uint8Array(0) })

/** The manifest with the first block above its base, signed by `signers` with their vote keys. */
export function noticeOf(
  fields: RecoveryFields,
  change: { signers?: readonly number[]; header?: Partial<BlockHeader>; manifest?: Uint8Array } = {},
): Uint8Array {
  const zero = new Uint8Array(32)
  const { epoch, baseHeight, baseHash, validators } = fields
  const header = {
    ...{ version: 1, appVersion: 1, chainId, epoch, height: baseHeight + 1, view: 0, time: 1_000 },
    ...{ proposer: validators[0].entity, parentHash: baseHash, parentResultHash: zero },
    ...{ parentCertificateHash: zero, transactionRoots: [zero, zero, zero, zero, zero] },
    validatorsHash: validatorsHash(sha256, validators),
    ...change.header,
  }
  const bytes = encodeHeader(header)
  const subject = {
    ...{ chainId, epoch: header.epoch, height: header.height, view: 0 },
    ...{ blockHash: sha256(bytes), resultHash: zero },
  }
  const signedBy = change.signers ?? validators.map((member) => member.entity[0])
  const signatures = signedBy.map((number) =>
    signDetached(votes[number], voteSigningBytes('commit', subject)),
  )
  const signers = signedBy.map((_, index) => index)
  return encodeRecoveryNotice({
    manifest: change.manifest ?? manifestOf(fields),
    header: bytes,
    certificate: encodeCertificate({ ...subject, signers, signatures }),
  })
}

/** What a store keeps of its notes; `isFull`: no write succeeds. */
export class NotesInMemory {
  isFull = false
  private readonly notes = new Map<string, Uint8Array>()
  note(name: string): Uint8Array | undefined {
    return this.notes.get(name)
  }
  putNote(name: string, value: Uint8Array | undefined): void {
    if (this.isFull) throw Object.assign(new Error('no space left on device'), { code: 'STORE_FULL' })
    if (value === undefined) this.notes.delete(name)
    else this.notes.set(name, value)
  }
}
