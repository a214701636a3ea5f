// The front door of host/store.
export { ChainStore, openChainStore, type ChainStoreOptions } from './chain-store.js'
export { DataKey } from './data-key.js'
export {
  addKeyslot,
  changeKeyslot,
  createKeyslotFile,
  listKeyslots,
  openKeyslot,
  removeKeyslot,
  rotateDataKey,
  type OpenOptions,
  type SlotInfo,
  type SlotOptions,
} from './keyslot.js'
export { defaultKdfCost, floorKdfCost, type KdfCost, type SlotKind } from './keyslot-file.js'
export { readSealedFile, writeSealedFile } from './sealed-file.js'
export { StoreError, type StoreCode } from './store-error.js'
export type {
  Applied,
  AttachmentWrite,
  BlockWrite,
  BodyCode,
  BodyWrite,
  ChainReader,
  ChainSnapshot,
  StoredBlock,
} from './store-types.js'
export { UnlockThrottle, type ThrottleOptions } from './unlock-throttle.js'
export { openVotesStore, VotesStore, type VotesStoreOptions } from './votes-store.js'
