// The front door of host/store.
export { backupChainStore, copyEnvironmentFile } from './backup.js'
export { ChainReader, type PinnedChain } from './chain-reader.js'
export { ChainStore, openChainStore, type ChainStoreOptions } from './chain-store.js'
export {
  verifyChainStore,
  type Finding,
  type VerifyOptions,
  type VerifyProgress,
  type VerifyReport,
} from './chain-verify.js'
export { DataKey } from './data-key.js'
export {
  destroyStore,
  type DestroyedFile,
  type DestroyOptions,
  type DestroyReport,
  type DestroyStep,
} from './destroy-store.js'
export {
  addKeyslot,
  changeKeyslot,
  createKeyslotFile,
  listKeyslots,
  openKeyslot,
  openUnattended,
  putUnattendedSlot,
  removeKeyslot,
  rotateDataKey,
  type OpenOptions,
  type SlotInfo,
  type SlotOptions,
} from './keyslot.js'
export {
  defaultKdfCost,
  floorKdfCost,
  isUnattended,
  type KdfCost,
  type SlotKind,
  type UnattendedKind,
} from './keyslot-file.js'
export { Reseal, resealSlice, type ResealCursor, type ResealProgress } from './reseal.js'
export { dropFormerEpochs } from './drop-epochs.js'
export {
  isSetAside,
  readSealedFile,
  sealedFileEpoch,
  setAsideFile,
  writeSealedFile,
} from './sealed-file.js'
export { isDamage, isStoreCode, StoreError, type StoreCode } from './store-error.js'
export type {
  Applied,
  AttachmentWrite,
  BlockWrite,
  BodyCode,
  BodyWrite,
  ChainSnapshot,
  ImportBatch,
  StoredBlock,
} from './store-types.js'
export { UnlockThrottle, type ThrottleOptions } from './unlock-throttle.js'
export { openVotesStore, VotesStore, type VotesStoreOptions } from './votes-store.js'
export { PathIndex, splitStateKey } from './path-index.js'
export { firstBlockNote } from './chain-reads.js'
export { treeRedoBytesMax } from './tables.js'
export { compactClosed, spaceOf, type SpaceReport } from './sealed-environment.js'
