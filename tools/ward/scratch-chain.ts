// A chain of genesis only, in memory: the state that `ward rule eval` runs a rule on. Nothing is stored.
import {
  createModuleCache,
  executeGenesis,
  type ExecutionPorts,
  type ModuleCache,
  type ParentState,
  newestVersions,
} from '../../runtime/execution/index.js'
import { MemoryState, StateTree, type TreePages } from '../../runtime/state/index.js'
import {
  bytesToHex,
  encodeBorsh,
  encodeGenesis,
  decodeManifest,
  entityIdOf,
  type Genesis,
  type GenesisContract,
} from '../../runtime/protocol/index.js'
import { sha256, verifySignature } from '../../host/keys/crypto.js'
import { CommandError } from './command-error.js'

export const ports: ExecutionPorts = { hash: sha256, verify: verifySignature }

const noPages: TreePages = { page: () => undefined, pages: () => [], redoRecords: () => [] }

export interface ScratchChain {
  state: ParentState
  cache: ModuleCache
  time: number
}

/** Founds the chain on fixed keys, so that the same input gives the same fuel and ids every time. */
export function createScratchChain(contracts: GenesisContract[], time: number): ScratchChain {
  const attachments = new Map<string, Uint8Array>()
  const memory = new MemoryState()
  const leafSalt = new Uint8Array(32)
  const tree = StateTree.open(noPages, sha256, leafSalt)
  const state: ParentState = {
    get: (...key) => memory.get(...key),
    scan: (...range) => memory.scan(...range),
    scanIndex: (...range) => memory.scanIndex(...range),
    bodyOf: () => undefined,
    attachmentOf: (hash) => attachments.get(bytesToHex(hash)),
    subRoot: (store) => tree.subRoot(store),
    updateTree: (writes) => tree.update(writes),
  }
  const cache = createModuleCache()
  const founded = executeGenesis(
    encodeGenesis(scratchGenesis(contracts, time, leafSalt)),
    state,
    cache,
    ports,
  )
  if (!founded.ok)
    throw new CommandError(
      founded.code,
      `the system contracts do not found a chain: ${founded.detail ?? ''}`,
    )
  memory.apply(founded.value.writeSet)
  tree.accept(founded.value.tree)
  for (const { hash, content } of founded.value.attachments) attachments.set(bytesToHex(hash), content)
  return { state, cache, time }
}

function scratchGenesis(contracts: GenesisContract[], time: number, leafSalt: Uint8Array): Genesis {
  const voteKey = new Uint8Array(32).fill(1)
  return {
    version: 1,
    name: 'scratch',
    time: time - 1_000,
    leafSalt,
    nodes: [
      {
        entity: entityIdOf(sha256, voteKey),
        name: 'scratch',
        role: 'validator',
        voteKey,
        transportKey: voteKey,
        host: '127.0.0.1',
        port: 1,
      },
    ],
    entities: [],
    contracts,
    calls: contracts.flatMap(genesisCall),
    ...newestVersions,
  }
}

function genesisCall({ manifest }: GenesisContract): Genesis['calls'] {
  const decoded = decodeManifest(manifest)
  const method = decoded.ok
    ? decoded.value.methods.find((candidate) => candidate.name === 'genesis')
    : undefined
  if (!decoded.ok || !method) return []
  const args = encodeBorsh(method.input, { roles: [], grants: [] })
  return args.ok ? [{ alias: decoded.value.alias, method: 'genesis', args: args.value }] : []
}
