// The genesis document: the founding state of one hospital's chain. Its hash is the chain id.
import { decodeCbor, encodeCbor, type CborValue } from './cbor.js'
import type { Validator } from './certificate.js'
import { asArray, asAscii, asBytes, asMap, asText, asUint, FieldError } from './fields.js'
import type { Hash } from './hash.js'
import {
  aliasLengthMax,
  attachmentBytesMax,
  manifestBytesMax,
  methodLengthMax,
  validatorsMax,
} from './limits.js'
import type { KeyQuorum } from './membership.js'
import { ok, refused, type Result } from './result.js'

export interface GenesisNode {
  entity: Uint8Array
  name: string
  /** `validator`, `observer` or `gateway`. */
  role: string
  voteKey: Uint8Array
  transportKey: Uint8Array
  /** IPv4 literal and UDP port of its transport. */
  host: string
  port: number
}

export interface GenesisEntity {
  entity: Uint8Array
  /** Number of `entityKind`. */
  kind: number
  publicKey: Uint8Array
  /** Name shown on screens; persons are shown by role until a directory record says more. */
  label: string
  /** Roles given by `ward/policy` at genesis: admin, nurse, doctor, vendor, source... */
  roles: string[]
  /** Password-wrapped secret key of a person, opaque here; empty for entities that keep their own key. */
  keystore: Uint8Array
}

export interface GenesisContract {
  manifest: Uint8Array
  code: Uint8Array
}

/** Kernel-made calls at height 0, in order, before anything else runs. */
export interface GenesisCall {
  alias: string
  method: string
  args: Uint8Array
}

export interface Genesis {
  version: number
  name: string
  /** ms since 1970; block 1 must be later. */
  time: number
  /** Secret of the chain's members, in front of state leaf hashes. */
  leafSalt: Uint8Array
  nodes: GenesisNode[]
  entities: GenesisEntity[]
  contracts: GenesisContract[]
  calls: GenesisCall[]
  /** Keys of the institution, kept apart from every node: they force validators and sign a recovery. */
  institution?: KeyQuorum
  /** Keys of the vendor's releases: an image is installed only with their signatures. */
  release?: KeyQuorum
  /** Fuel schedule that the chain begins under; documents of before there were two do not say: 1. */
  fuelSchedule?: number
  /** Instrumenter that it begins under; as above. */
  instrumenter?: number
}

/**
 * CBOR map, keys 1..8 in the order of the fields above; 9 and 10, each [threshold, [key...]], 11 (fuel
 * schedule) and 12 (instrumenter) when given.
 */
export function encodeGenesis(genesis: Genesis): Uint8Array {
  return encodeCbor(
    new Map<number, CborValue>([
      [1, genesis.version],
      [2, genesis.name],
      [3, genesis.time],
      [4, genesis.leafSalt],
      [5, genesis.nodes.map((n) => [n.entity, n.name, n.role, n.voteKey, n.transportKey, n.host, n.port])],
      [6, genesis.entities.map((e) => [e.entity, e.kind, e.publicKey, e.label, e.roles, e.keystore])],
      [7, genesis.contracts.map((contract) => [contract.manifest, contract.code])],
      [8, genesis.calls.map((call) => [call.alias, call.method, call.args])],
      ...quorumEntry(9, genesis.institution),
      ...quorumEntry(10, genesis.release),
      ...versionEntry(11, genesis.fuelSchedule),
      ...versionEntry(12, genesis.instrumenter),
    ]),
  )
}

const versionEntry = (key: number, version: number | undefined): [number, CborValue][] =>
  version === undefined ? [] : [[key, version]]

const quorumEntry = (key: number, quorum: KeyQuorum | undefined): [number, CborValue][] =>
  quorum === undefined ? [] : [[key, [quorum.threshold, quorum.keys]]]

function quorumFromCbor(value: CborValue | undefined): KeyQuorum | undefined {
  if (value === undefined) return undefined
  const [threshold, list] = asArray(value, 2, 2)
  const keys = asArray(list, 1, keyQuorumMax).map((key) => asBytes(key, 32))
  if (new Set(keys.map((key) => key.join())).size !== keys.length) throw new FieldError('a key twice')
  const quorum = { threshold: asUint(threshold, keys.length), keys }
  if (quorum.threshold === 0) throw new FieldError('threshold 0')
  return quorum
}

/** Institution or release keys of one hospital. */
const keyQuorumMax = 16

export function decodeGenesis(bytes: Uint8Array): Result<Genesis, 'GENESIS_MALFORMED'> {
  const decoded = decodeCbor(bytes)
  if (!decoded.ok) return refused('GENESIS_MALFORMED', decoded.code)
  try {
    const map = asMap(decoded.value, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 8)
    const institution = quorumFromCbor(map.get(9))
    const release = quorumFromCbor(map.get(10))
    return ok({
      version: asUint(map.get(1), 255),
      name: asText(map.get(2), 100),
      time: asUint(map.get(3)),
      leafSalt: asBytes(map.get(4), 32),
      nodes: asArray(map.get(5), 1, 1_024).map(nodeFromCbor),
      entities: asArray(map.get(6), 0, 10_000).map(entityFromCbor),
      contracts: asArray(map.get(7), 0, 64).map(contractFromCbor),
      calls: asArray(map.get(8), 0, 64).map(callFromCbor),
      ...(institution && { institution }),
      ...(release && { release }),
      ...(map.has(11) && { fuelSchedule: asUint(map.get(11), 65_535) }),
      ...(map.has(12) && { instrumenter: asUint(map.get(12), 65_535) }),
    })
  } catch (error) {
    if (error instanceof FieldError) return refused('GENESIS_MALFORMED', error.message)
    throw error
  }
}

function nodeFromCbor(value: CborValue): GenesisNode {
  const [entity, name, role, voteKey, transportKey, host, port] = asArray(value, 7, 7)
  return {
    entity: asBytes(entity, 32),
    name: asAscii(name, 1, 64),
    role: asAscii(role, 1, 32),
    voteKey: asBytes(voteKey, 32),
    transportKey: asBytes(transportKey, 32),
    host: asAscii(host, 0, 64),
    port: asUint(port, 65_535),
  }
}

function entityFromCbor(value: CborValue): GenesisEntity {
  const [entity, kind, publicKey, label, roles, keystore] = asArray(value, 6, 6)
  return {
    entity: asBytes(entity, 32),
    kind: asUint(kind, 255),
    publicKey: asBytes(publicKey, 32),
    label: asText(label, 100),
    roles: asArray(roles, 0, 16).map((role) => asAscii(role, 1, 32)),
    keystore: asBytes(keystore, 0, 4_096),
  }
}

function contractFromCbor(value: CborValue): GenesisContract {
  const [manifest, code] = asArray(value, 2, 2)
  return { manifest: asBytes(manifest, 1, manifestBytesMax), code: asBytes(code, 1, attachmentBytesMax) }
}

function callFromCbor(value: CborValue): GenesisCall {
  const [alias, method, args] = asArray(value, 3, 3)
  return {
    alias: asAscii(alias, 3, aliasLengthMax),
    method: asAscii(method, 1, methodLengthMax),
    args: asBytes(args, 0, 65_536),
  }
}

export const chainIdOf = (hash: Hash, genesisBytes: Uint8Array): Uint8Array => hash(genesisBytes)

/** The founding validator set, in the order of the document. */
export function genesisValidators(genesis: Genesis): Validator[] {
  return genesis.nodes
    .filter((node) => node.role === 'validator')
    .slice(0, validatorsMax)
    .map((node) => ({ entity: node.entity, voteKey: node.voteKey }))
}
