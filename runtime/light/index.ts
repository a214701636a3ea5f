// The front door of runtime/light.
export { verifyEd25519, type Hash512 } from './ed25519.js'
export {
  anchorOf,
  checkFinal,
  followChain,
  type CheckedFinal,
  type FinalEvidence,
  type LightCode,
  type LightPorts,
  type LightTrust,
} from './light-client.js'
export {
  bodyFits,
  checkDocument,
  decodeDocument,
  encodeDocument,
  type CheckedProof,
  type ProofClaimFile,
  type ProofDocument,
  type ProofFileCode,
} from './proof-document.js'
