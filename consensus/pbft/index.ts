// Front door of the core. Everything else in this folder is private to it and to the simulator.

export { coreDefaults } from './config.js'
export { heldBy } from './commit.js'
export {
  certificateHash,
  createCore,
  isLeader,
  leaderIndex,
  memberIndex,
  senderKey,
  type CoreState,
} from './state.js'
export { faultsTolerated, quorumOf } from '../../runtime/protocol/certificate.js'
export {
  blocksPerMessageMax,
  decodeMessage,
  encodeMessage,
  messageBytesMax,
  messageTypes,
  type MessageCode,
} from './message-codec.js'
export { decodeSafetyRecord, encodeSafetyRecord } from './safety-codec.js'
export { doContradict, placeOfSigned, type SignedPlace } from './signed-place.js'
export { signingBytes } from './signing.js'
export { step } from './step.js'
export type * from './types.js'
export { alarmCodes } from './types.js'
