// A proof as a file: a final block with what it takes to believe it, and claims about keys of its state.
// JSON, so that it can be carried by anything; every byte string is lower-case hex.
import { bytesToHex, equalBytes, hexToBytes } from '../protocol/bytes.js'
import { concatBytes } from '../protocol/bytes.js'
import type { Validator } from '../protocol/certificate.js'
import { validatorsHash } from '../protocol/entity.js'
import { chainIdOf, decodeGenesis, genesisValidators } from '../protocol/genesis.js'
import type { Hash } from '../protocol/hash.js'
import { validatorsMax } from '../protocol/limits.js'
import { ok, refused, type Result } from '../protocol/result.js'
import { decodeStateKey } from '../state/state-keys.js'
import { verifyProof, type ProofCode } from '../state/tree-proof.js'
import {
  anchorOf,
  followChain,
  type CheckedFinal,
  type FinalEvidence,
  type LightCode,
  type LightPorts,
  type LightRecoveries,
} from './light-client.js'

export const proofFormat = 'wardchain-proof/1'
const handoversMax = 4_096
const claimsMax = 256
const manifestsMax = 64

/** A key of the state has this value, or (without a value) is absent. */
export interface ProofClaimFile {
  store: string
  /** Encoded state key. */
  key: Uint8Array
  value: Uint8Array | undefined
  proof: Uint8Array
}

export interface ProofDocument {
  chainId: Uint8Array
  epoch: number
  /** The chain's secret in front of leaf hashes: who holds this file can check any proof of the chain. */
  leafSalt: Uint8Array
  handovers: FinalEvidence[]
  block: FinalEvidence
  /** After a recovery: what lets anybody check that the institution's keys named the validators since. */
  recovery?: ProofRecovery | undefined
  claims: ProofClaimFile[]
  /** Salt and content of the record that the first claim is about, if it is about one. */
  body: { salt: Uint8Array; content: Uint8Array } | undefined
}

interface ProofRecovery {
  /** The founding document: its hash is the chain id, so its institution keys are the chain's. */
  genesis: Uint8Array
  /** Oldest first. */
  manifests: Uint8Array[]
}

export interface CheckedProof {
  final: CheckedFinal
  /** To be compared with what the hospital says: everything else follows from it. */
  anchor: Uint8Array
  claims: ProofClaimFile[]
  /** The body, its commitment checked by the caller who knows where it lies (`bodyFits`). */
  body: ProofDocument['body']
}

export type ProofFileCode =
  'PROOF_FILE_MALFORMED' | 'PROOF_ANCHOR_WRONG' | 'RECOVERY_UNPROVEN' | LightCode | ProofCode

/** Checks everything that a document says. `anchor`: the one that the hospital told; undefined: any. */
export function checkDocument(
  document: ProofDocument,
  anchor: Uint8Array | undefined,
  ports: LightPorts,
): Result<CheckedProof, ProofFileCode> {
  const { chainId, handovers, block, claims, leafSalt } = document
  const founding = foundingOf(document, ports)
  if (!founding.ok) return founding
  const { epoch, foundingSet, recoveries } = founding.value
  const own = anchorOf(ports.hash, chainId, foundingSet)
  if (anchor !== undefined && !equalBytes(anchor, own))
    return refused('PROOF_ANCHOR_WRONG', bytesToHex(own))
  const trust = { chainId, epoch, validatorsHash: foundingSet, height: 0 }
  const final = followChain(trust, handovers, block, ports, recoveries)
  if (!final.ok) return final
  const root = final.value.result.stateRoot
  for (const { store, key, value, proof } of claims) {
    const proved = verifyProof({ root, leafSalt, store, key, value }, proof, ports.hash)
    if (!proved.ok) return refused(proved.code, store)
  }
  return ok({ final: final.value, anchor: own, claims, body: document.body })
}

interface Founding {
  epoch: number
  /** Hash of the set that the anchor stands for. */
  foundingSet: Uint8Array
  recoveries?: LightRecoveries
}

/** Where to begin: with the set that signed the first block shown, or with the founding document's. */
function foundingOf(
  { chainId, epoch, handovers, block, recovery }: ProofDocument,
  { hash }: LightPorts,
): Result<Founding, 'RECOVERY_UNPROVEN'> {
  if (recovery === undefined) {
    const first = handovers.at(0) ?? block
    return ok({ epoch, foundingSet: validatorsHash(hash, first.validators) })
  }
  if (!equalBytes(chainIdOf(hash, recovery.genesis), chainId))
    return refused('RECOVERY_UNPROVEN', 'another founding document')
  const genesis = decodeGenesis(recovery.genesis)
  if (!genesis.ok || genesis.value.institution === undefined)
    return refused('RECOVERY_UNPROVEN', 'the founding document names no institution keys')
  const foundingSet = validatorsHash(hash, genesisValidators(genesis.value))
  const recoveries = { quorum: genesis.value.institution, manifests: recovery.manifests }
  return ok({ epoch: 0, foundingSet, recoveries })
}

/** Is this the body that was signed? `bodyHash` = SHA-256(salt ‖ content). */
export function bodyFits(
  body: NonNullable<ProofDocument['body']>,
  bodyHash: Uint8Array,
  hash: Hash,
): boolean {
  return equalBytes(hash(concatBytes(body.salt, body.content)), bodyHash)
}

export function encodeDocument(document: ProofDocument): string {
  const { chainId, epoch, leafSalt, handovers, block, recovery, claims, body } = document
  const file = {
    format: proofFormat,
    chainId: bytesToHex(chainId),
    epoch,
    leafSalt: bytesToHex(leafSalt),
    handovers: handovers.map(evidenceToJson),
    block: evidenceToJson(block),
    ...(recovery && {
      recovery: { genesis: bytesToHex(recovery.genesis), manifests: recovery.manifests.map(bytesToHex) },
    }),
    claims: claims.map((claim) => ({
      store: claim.store,
      key: bytesToHex(claim.key),
      value: claim.value === undefined ? null : bytesToHex(claim.value),
      proof: bytesToHex(claim.proof),
    })),
    body: body === undefined ? null : { salt: bytesToHex(body.salt), content: bytesToHex(body.content) },
  }
  return `${JSON.stringify(file, null, 1)}\n`
}

const evidenceToJson = (evidence: FinalEvidence): object => ({
  header: bytesToHex(evidence.header),
  result: bytesToHex(evidence.result),
  certificate: bytesToHex(evidence.certificate),
  validators: evidence.validators.map(({ entity, voteKey }) => [bytesToHex(entity), bytesToHex(voteKey)]),
})

/** Total: any text gives a document or PROOF_FILE_MALFORMED with the place. */
export function decodeDocument(text: string): Result<ProofDocument, 'PROOF_FILE_MALFORMED'> {
  try {
    return ok(documentOf(JSON.parse(text)))
  } catch (error) {
    if (error instanceof Malformed) return refused('PROOF_FILE_MALFORMED', error.place)
    // JSON.parse throws SyntaxError on anything that is no JSON, and RangeError on what nests too deep.
    if (error instanceof SyntaxError || error instanceof RangeError)
      return refused('PROOF_FILE_MALFORMED', 'JSON')
    throw error
  }
}

class Malformed extends Error {
  constructor(readonly place: string) {
    super(place)
  }
}

function documentOf(json: unknown): ProofDocument {
  const file = fieldsOf(json, 'file')
  if (file.format !== proofFormat) throw new Malformed('format')
  return {
    chainId: bytesOf(file.chainId, 'chainId', 32),
    epoch: wholeOf(file.epoch, 'epoch'),
    leafSalt: bytesOf(file.leafSalt, 'leafSalt', 32),
    handovers: listOf(file.handovers, 'handovers', handoversMax).map(evidenceOf),
    block: evidenceOf(file.block),
    recovery: file.recovery === undefined ? undefined : recoveryOf(file.recovery),
    claims: listOf(file.claims, 'claims', claimsMax).map(claimOf),
    body: file.body === null ? undefined : bodyOf(file.body),
  }
}

function evidenceOf(json: unknown): FinalEvidence {
  const { header, result, certificate, validators } = fieldsOf(json, 'block')
  return {
    header: bytesOf(header, 'header'),
    result: bytesOf(result, 'result'),
    certificate: bytesOf(certificate, 'certificate'),
    validators: listOf(validators, 'validators', validatorsMax).map(validatorOf),
  }
}

function recoveryOf(json: unknown): ProofRecovery {
  const { genesis, manifests } = fieldsOf(json, 'recovery')
  return {
    genesis: bytesOf(genesis, 'genesis'),
    manifests: listOf(manifests, 'manifests', manifestsMax).map((item) => bytesOf(item, 'manifests')),
  }
}

function validatorOf(json: unknown): Validator {
  const pair = listOf(json, 'validators', 2)
  return { entity: bytesOf(pair.at(0), 'validators', 32), voteKey: bytesOf(pair.at(1), 'validators', 32) }
}

function claimOf(json: unknown): ProofClaimFile {
  const { store, key, value, proof } = fieldsOf(json, 'claim')
  if (typeof store !== 'string' || !/^[\x21-\x7e]{1,64}$/.test(store)) throw new Malformed('store')
  const encoded = bytesOf(key, 'key')
  if (decodeStateKey(encoded) === undefined) throw new Malformed('key')
  return {
    store,
    key: encoded,
    value: value === null ? undefined : bytesOf(value, 'value'),
    proof: bytesOf(proof, 'proof'),
  }
}

function bodyOf(json: unknown): NonNullable<ProofDocument['body']> {
  const { salt, content } = fieldsOf(json, 'body')
  return { salt: bytesOf(salt, 'salt', 16), content: bytesOf(content, 'content') }
}

function fieldsOf(json: unknown, place: string): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Malformed(place)
  return json as Record<string, unknown>
}

function listOf(json: unknown, place: string, countMax: number): unknown[] {
  if (!Array.isArray(json) || json.length > countMax) throw new Malformed(place)
  return json
}

function bytesOf(json: unknown, place: string, length?: number): Uint8Array {
  const bytes = typeof json === 'string' ? hexToBytes(json) : undefined
  if (bytes === undefined || (length !== undefined && bytes.length !== length)) throw new Malformed(place)
  return bytes
}

function wholeOf(json: unknown, place: string): number {
  if (typeof json !== 'number' || !Number.isSafeInteger(json) || json < 0) throw new Malformed(place)
  return json
}
