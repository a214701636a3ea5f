// The front door of runtime/state.
export * from './store-interface.js'
export * from './state-keys.js'
export * from './overlay.js'
export * from './memory-state.js'
export * from './tree-interface.js'
export { applyToTree, StateTree, type StateTreeOptions } from './state-tree.js'
export { verifyProof, type ProofClaim, type ProofCode } from './tree-proof.js'
export {
  encodeSplit,
  FrozenTree,
  hasPrefix,
  leavesFit,
  openSplit,
  type TreePart,
  type TreePlace,
} from './tree-walk.js'
