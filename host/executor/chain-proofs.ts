// Proofs for people outside this node: a record, a patient's list head, an alias or a grant under the
// certified root of the tip, with everything that a light client needs to believe that root.
import {
  bytesToHex,
  decodeCbor,
  encodeCbor,
  equalBytes,
  recordKind,
  utf8,
  type ErrorCode,
  type Validator,
} from '../../runtime/protocol/index.js'
import {
  chainRow,
  decodeRow,
  encodeRow,
  onlyKey,
  store as tables,
  validatorRow,
} from '../../runtime/execution/kernel-tables.js'
import type { ChainRow } from '../../runtime/execution/index.js'
import { decodeRecordRow } from '../../runtime/execution/record-rows.js'
import { encodeDocument, type FinalEvidence, type ProofDocument } from '../../runtime/light/index.js'
import { encodePointKey, type StateTree } from '../../runtime/state/index.js'
import type { FinalBlock, Tip } from '../../consensus/pbft/types.js'
import type { ChainStore } from '../store/index.js'
import { genesisNote, handoversNote } from './block-write.js'
import type { ChainState } from './chain-state.js'
import type { ProofQuestion, ProofReply } from './messages.js'
import { readManifests } from './recovery-book.js'
import type { Touched } from './trace-view.js'

const policyAlias = 'ward/policy'
/** Table of `ward/policy` that holds grants by id. */
const grantTable = 3

export interface Prover {
  store: ChainStore
  state: ChainState
  tree: StateTree
  tip: Tip
  chainId: Uint8Array
}

interface Claimed {
  claims: { store: string; key: Uint8Array }[]
  body: ProofDocument['body']
  subject: Touched | null
}

export function prove(prover: Prover, question: ProofQuestion): ProofReply {
  const { store, state, tip, chainId, tree } = prover
  const block = evidenceAt(store, tip.height, tip.validators.members)
  if (tip.height === 0 || block === undefined) return refusal('PROOF_UNAVAILABLE')
  const { claims, body, subject } = claimsOf(prover, question)
  const row = state.get(tables.chain, onlyKey)
  if (row === undefined) throw new Error('the state has a founding row')
  const { leafSalt, epoch } = decodeRow<ChainRow>(chainRow, row)
  const proved = claims.map((claim) => {
    const key = encodePointKey(claim.key)
    return {
      store: claim.store,
      key,
      value: state.get(claim.store, claim.key),
      proof: tree.prove(claim.store, key),
    }
  })
  const handovers = handoversBefore(store, tip.height)
  const recovery = recoveryOf(store)
  const parts = { chainId, epoch, leafSalt, handovers, block, recovery, claims: proved, body }
  const document = encodeDocument(parts)
  const pin = { height: tip.height, blockTime: tip.time, stateRoot: tip.result.stateRoot }
  return { ok: true, pin, document, exists: proved[0].value !== undefined, subject }
}

/** The founding document names the keys that signed the manifests: nothing smaller vouches for them. */
function recoveryOf(store: ChainStore): ProofDocument['recovery'] {
  const manifests = readManifests(store)
  const genesis = manifests.length === 0 ? undefined : store.note(genesisNote)
  return genesis && { genesis, manifests }
}

function handoversBefore(store: ChainStore, height: number): FinalEvidence[] {
  return readHandovers(store).flatMap((handover) => {
    const evidence =
      handover.height < height ? evidenceAt(store, handover.height, handover.validators) : undefined
    return evidence === undefined ? [] : [evidence]
  })
}

/** What proves the state of the tip to somebody who knows the founding document; undefined at genesis. */
export function tipEvidence(
  store: ChainStore,
  tip: Tip,
): { block: FinalEvidence; handovers: FinalEvidence[] } | undefined {
  if (tip.height === 0) return undefined
  const block = evidenceAt(store, tip.height, tip.validators.members)
  return block && { block, handovers: handoversBefore(store, tip.height) }
}

const refusal = (code: ErrorCode, detail = ''): ProofReply => ({ ok: false, code, detail })

function claimsOf({ state }: Prover, question: ProofQuestion): Claimed {
  const plain = (store: string, key: Uint8Array): Claimed => ({
    claims: [{ store, key }],
    body: undefined,
    subject: null,
  })
  switch (question.about) {
    case 'record':
      return recordClaim(state, question.id)
    case 'patient':
      return {
        ...plain(tables.patient, question.id),
        subject: { patient: bytesToHex(question.id), kind: recordKind.admission },
      }
    case 'alias':
      return aliasClaims(state, question.alias)
    case 'grant':
      return plain(policyAlias, new Uint8Array([grantTable, ...question.id]))
  }
}

/** The row, and the body that its commitment stands for. */
function recordClaim(state: ChainState, id: Uint8Array): Claimed {
  const claims = [{ store: tables.record as string, key: id }]
  const bytes = state.get(tables.record, id)
  if (bytes === undefined) return { claims, body: undefined, subject: null }
  const { patient, kind } = decodeRecordRow(bytes).header
  const body = state.bodyOf(id)
  return {
    claims,
    body: body === 'erased' ? undefined : body,
    subject: { patient: bytesToHex(patient), kind },
  }
}

/** The alias' row, and what was deployed at its active address (which stands first in the row). */
function aliasClaims(state: ChainState, alias: string): Claimed {
  const claims: Claimed['claims'] = [{ store: tables.alias, key: utf8(alias) }]
  const row = state.get(tables.alias, utf8(alias))
  if (row !== undefined) claims.push({ store: tables.code, key: row.slice(0, 32) })
  return { claims, body: undefined, subject: null }
}

function evidenceAt(
  store: ChainStore,
  height: number,
  validators: readonly Validator[],
): FinalEvidence | undefined {
  const block = store.blockAt(height)
  if (block === undefined) return undefined
  const { header, result, certificate } = block
  return { header, result, certificate, validators }
}

/** Heights at whose end the set changed, ascending. */
export const handoverHeights = (store: ChainStore): number[] =>
  handoverRows(store).map(([height]) => height)

interface Handover {
  height: number
  validators: Validator[]
}

function readHandovers(store: ChainStore): Handover[] {
  return handoverRows(store).map(([height, row]) => ({
    height,
    validators: decodeRow<Validator[]>(validatorRow, row),
  }))
}

function handoverRows(store: ChainStore): [height: number, row: Uint8Array][] {
  const note = store.note(handoversNote)
  // The store's own note grows by one row for each change of the set; nobody else writes it.
  const decoded = note && decodeCbor(note, Number.MAX_SAFE_INTEGER)
  if (!decoded?.ok || !Array.isArray(decoded.value)) return []
  return decoded.value.map((pair) => pair as [number, Uint8Array])
}

/** The note as it is after this block; undefined when the same set goes on. */
export function handoversAfter(
  store: ChainStore,
  { block, result }: FinalBlock,
  signedBy: readonly Validator[],
): Uint8Array | undefined {
  const { validatorsHash, height } = block.header
  if (equalBytes(validatorsHash, result.nextValidatorsHash)) return undefined
  return encodeCbor([...handoverRows(store), [height, encodeRow(validatorRow, signedBy)]])
}
