// Height 0: from the genesis document to the founding state. The document's hash is the chain id.
import { concatBytes, u32Bytes } from '../protocol/bytes.js'
import { kernelEntity } from '../protocol/entity.js'
import { chainIdOf, decodeGenesis, genesisValidators, type Genesis } from '../protocol/genesis.js'
import { hashWithDomain } from '../protocol/hash.js'
import { foundingLaneTable, laneTableSchema } from '../protocol/lanes.js'
import { appVersion } from '../protocol/limits.js'
import { nodeRoles } from '../protocol/membership.js'
import { ok, refused, type Result } from '../protocol/result.js'
import { STACK_BYTES_MAX } from '../module/index.js'
import { byteText } from './byte-text.js'
import { Overlay } from '../state/overlay.js'
import { applyDeployment, putAlias } from './block-boundary.js'
import { putApproval } from './approvals.js'
import { activeContract } from './contracts.js'
import { checkDeployment, nobodyPays } from './deployment.js'
import { putEntity, readEntity } from './entities.js'
import { closeBlock, createProgress, keep } from './execute-block.js'
import { runFrame, trigger } from './frame.js'
import { createKernel, createRun, type Kernel } from './kernel.js'
import {
  chainRow,
  encodeRow,
  institutionKey,
  institutionRow,
  onlyKey,
  store,
  validatorRow,
  type ChainRow,
} from './kernel-tables.js'
import type { ModuleCache, ModuleVersions } from './module-cache.js'
import { nodeOfName, nodeOfTransportKey, putNode, readNode } from './node-registry.js'
import type { ExecutionPorts, GenesisOutcome, ParentState } from './ports.js'
import { receiptOf } from './receipts.js'
import { claimTables } from './table-layouts.js'
import { firstDue } from './timers.js'
import { switchSubscriptions } from './triggers.js'

/** Fuel of one founding call. */
const genesisCallFuel = 1_000_000_000

export type GenesisCode = 'GENESIS_MALFORMED' | 'GENESIS_REFUSED'

/**
 * Executes the founding document on an empty state, whose tree is opened with the document's leaf salt. A
 * contract that is refused or a call that fails refuses the whole document: GENESIS_REFUSED, with the place
 * in the detail.
 */
export function executeGenesis(
  genesisBytes: Uint8Array,
  state: ParentState,
  cache: ModuleCache,
  ports: ExecutionPorts,
): Result<GenesisOutcome, GenesisCode> {
  const decoded = decodeGenesis(genesisBytes)
  if (!decoded.ok) return decoded
  const genesis = decoded.value
  const { fuelSchedule, instrumenter } = foundingVersions(genesis)
  if (!cache.knows({ fuelSchedule, instrumenter })) {
    const detail = `fuel schedule ${fuelSchedule} or instrumenter ${instrumenter} is not known here`
    return refused('GENESIS_REFUSED', detail)
  }
  const chainId = chainIdOf(ports.hash, genesisBytes)
  const overlay = new Overlay(state)
  writeChain(overlay, genesis, chainId)
  const kernel = createKernel({ ports, cache, parent: state, overlay, height: 0, time: genesis.time })
  const identityProblem = writeEntities(kernel, genesis)
  if (identityProblem !== undefined) return refused('GENESIS_REFUSED', identityProblem)
  const progress = createProgress(kernel)
  const contractProblem = deployAll(kernel, genesis, progress)
  if (contractProblem !== undefined) return refused('GENESIS_REFUSED', contractProblem)
  for (let index = 0; index < genesis.calls.length; index += 1) {
    const problem = foundingCall(kernel, genesis, index, progress)
    if (problem !== undefined) return refused('GENESIS_REFUSED', problem)
  }
  const closed = closeBlock(progress, Number(firstDue(overlay) ?? 0n))
  return ok({ ...closed, chainId, attachments: progress.attachments })
}

/** Named by the document alone, or a newer release would found another chain from it. */
const foundingVersions = ({ fuelSchedule = 1, instrumenter = 1 }: Genesis): ModuleVersions => ({
  fuelSchedule,
  instrumenter,
})

function writeChain(overlay: Overlay, genesis: Genesis, chainId: Uint8Array): void {
  const row: ChainRow = {
    chainId,
    leafSalt: genesis.leafSalt,
    epoch: 0,
    appVersion,
    ...foundingVersions(genesis),
    genesisTime: BigInt(genesis.time),
  }
  overlay.set(store.chain, onlyKey, encodeRow(chainRow, row))
  overlay.set(store.validator, onlyKey, encodeRow(validatorRow, genesisValidators(genesis)))
  if (genesis.institution !== undefined)
    overlay.set(store.chain, institutionKey, encodeRow(institutionRow, genesis.institution))
  overlay.set(store.lanes, onlyKey, encodeRow(laneTableSchema, foundingLaneTable))
}

function writeEntities(kernel: Kernel, genesis: Genesis): string | undefined {
  const { overlay, hash } = kernel
  for (const { entity, kind, label, publicKey } of genesis.entities) {
    if (readEntity(overlay, entity) !== undefined) return `entity twice: ${label}`
    putEntity(overlay, hash, { id: entity, kind, label, publicKey })
  }
  for (const node of genesis.nodes) {
    const role = nodeRoles.findIndex((name) => name === node.role)
    if (role < 0) return `role of ${node.name}`
    if (readNode(overlay, node.entity) !== undefined || nodeOfName(overlay, node.name) !== undefined)
      return `node twice: ${node.name}`
    if (nodeOfTransportKey(overlay, node.transportKey) !== undefined)
      return `transport key twice: ${node.name}`
    const { entity, ...card } = node
    putNode(overlay, hash, { entity, card: { ...card, role }, height: 0 })
  }
  return undefined
}

/** Founding contracts belong to the kernel's entity as vendor, and are active at once. */
function deployAll(
  kernel: Kernel,
  genesis: Genesis,
  progress: ReturnType<typeof createProgress>,
): string | undefined {
  const { hash } = kernel
  for (const { manifest, code } of genesis.contracts) {
    const wanted = { vendor: kernelEntity, manifest: hash(manifest), code: hash(code) }
    kernel.attachments.set(byteText(wanted.manifest), manifest)
    kernel.attachments.set(byteText(wanted.code), code)
    const checked = checkDeployment(kernel, wanted, nobodyPays)
    if (!checked.ok) return `contract: ${checked.code} ${checked.detail ?? ''}`
    const deployment = checked.value
    const { alias, migrateVersion } = deployment.manifest
    if (kernel.overlay.get(store.code, deployment.address) !== undefined) return `contract twice: ${alias}`
    applyDeployment(kernel, deployment)
    // Whoever founds the chain has approved what it is founded with.
    putApproval(kernel.overlay, { address: deployment.address, approver: kernelEntity, height: 0 })
    claimTables(kernel.overlay, deployment.manifest)
    putAlias(kernel, alias, deployment.address, migrateVersion)
    switchSubscriptions(
      kernel.overlay,
      { alias, address: deployment.address, manifest: deployment.manifest },
      undefined,
    )
    progress.attachments.push(...deployment.attachments)
  }
  return undefined
}

/** Kernel-made, trigger 4; its id is H("wardchain/genesis-call/1" ‖ chain id ‖ index u32 BE). */
function foundingCall(
  kernel: Kernel,
  genesis: Genesis,
  index: number,
  progress: ReturnType<typeof createProgress>,
): string | undefined {
  const { alias, method, args } = genesis.calls[index]
  const place = `call ${index} (${alias}.${method})`
  const contract = activeContract(kernel, alias)
  if (contract === undefined) return `${place}: CONTRACT_UNKNOWN`
  const id = hashWithDomain(
    kernel.hash,
    'wardchain/genesis-call/1',
    concatBytes(kernel.chain.chainId, u32Bytes(index)),
  )
  const run = createRun(kernel, id, kernelEntity)
  const outcome = runFrame(run, {
    contract,
    method,
    kinds: ['system', 'call'],
    input: args,
    caller: kernelEntity,
    trigger: trigger.genesis,
    readOnly: false,
    fuel: genesisCallFuel,
    stackLeft: STACK_BYTES_MAX,
  })
  if (!outcome.ok)
    return `${place}: ${outcome.code} ${outcome.detail ?? ''} ${run.diagnostics[0]?.text ?? ''}`
  if (run.effects.commands.length > 0) return `${place}: founding calls command no kernel`
  const target = { alias, address: contract.address, method }
  keep(progress, { run, receipt: receiptOf(run, { code: 'OK', fuelUsed: outcome.fuelUsed, target }) })
  return undefined
}
