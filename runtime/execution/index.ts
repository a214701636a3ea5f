// The front door of runtime/execution.
export {
  checkTransaction,
  laneBytesMax,
  laneCountMax,
  laneFuelMax,
  LaneMeter,
  laneOf,
  readLanes,
  retryDetail,
  signedFuelMax,
  standingAt,
  type Standing,
} from './admission.js'
export { overdraftOf, retryAfterMs } from './credit.js'
export { readHead, readValidators } from './block-validity.js'
export { callView, type ViewCall, type ViewOutcome } from './call-view.js'
export { frozenSince, readAlias, readCode } from './contracts.js'
export { methodFuelMax } from './manifest-check.js'
export { readEntity, readKey } from './entities.js'
export { evaluateRule, type RuleInput, type RuleOutcome } from './evaluate-rule.js'
export { executeBlock } from './execute-block.js'
export { generationMax } from './execute-derived.js'
export { appendPrice, reservedFuel } from './execute-signed.js'
export { executeGenesis, type GenesisCode } from './genesis.js'
export { hostModuleName, hostSignatures } from './host-abi.js'
export { hostCaps, kernelPrices } from './host-prices.js'
export * from './kernel-tables.js'
export {
  contractPolicy,
  createModuleCache,
  knowsVersions,
  newestVersions,
  type ModuleCache,
} from './module-cache.js'
export {
  readInstitution,
  readPending,
  validatorDelay,
  type PendingValidators,
} from './membership-commands.js'
export { listNodes, nodesMax, readNode, type NodeEntry } from './node-registry.js'
export * from './ports.js'
export { decodeRecordRow, encodeRecordView, readPatient, recordRow, type RecordRow } from './record-rows.js'
export { checkRecovery, recoveryKey, type RecoveryCode, type RecoveryPoint } from './recovery.js'
export { replayTransaction, type Replay } from './replay.js'
export { rewind, RewoundState } from './rewound-state.js'
export { readHealth } from './rule-health.js'
export { liveTickets, readTicket, type TicketRow } from './tickets.js'
export type { TraceEvent, TraceSink } from './trace.js'
export type { TraceArgument } from './trace-arguments.js'
export { decodeUndo, encodeUndo, undoOf } from './undo-journal.js'
export { dependantsOf, listAliases, versionsOf, warmModules, type VersionInfo } from './versions.js'
