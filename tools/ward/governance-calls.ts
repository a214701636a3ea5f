// Calls of `ward/governance` that bring a version onto the chain: what the vendor, the approver and the
// one who switches sign. Used by `ward rule`, the story and the benches alike.
import {
  bytesToHex,
  contractAddress,
  decodeManifest,
  type GenesisContract,
  type Manifest,
} from '../../runtime/protocol/index.js'
import type { Json, Proposal } from '../../host/api/node-port.js'
import { sha256 } from '../../host/keys/crypto.js'
import { CommandError } from './command-error.js'

export const governance = 'ward/governance'

export interface NewVersion {
  manifest: Manifest
  /** 32 bytes: the name of this version for ever. */
  address: Uint8Array
  deploy: Proposal
}

const call = (method: string, args: Json): Proposal => ({ type: 'call', target: governance, method, args })

/** What people take for the encoded manifest. */
function kindOfFile(bytes: Uint8Array): string {
  const begins = (text: string): boolean =>
    text.split('').every((one, at) => bytes[at] === one.charCodeAt(0))
  if (begins('\0asm')) return 'This file is a WebAssembly module: are --manifest and --code swapped? '
  return begins('{') ? 'This file is JSON: give the .cbor that the build writes beside the module. ' : ''
}

/** What the vendor signs: hashes of manifest and code, which travel beside the transaction. */
export function newVersion({ manifest, code }: GenesisContract, chainId: Uint8Array): NewVersion {
  const decoded = decodeManifest(manifest)
  if (!decoded.ok) {
    throw new CommandError(
      decoded.code,
      `The manifest cannot be used: ${decoded.detail ?? ''}. ${kindOfFile(manifest)}Nothing was deployed.`,
    )
  }
  const manifestHash = sha256(manifest)
  const codeHash = sha256(code)
  const { alias } = decoded.value
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  return {
    manifest: decoded.value,
    address: contractAddress(sha256, { chainId, alias, manifestHash, codeHash }),
    deploy: {
      type: 'call',
      target: governance,
      method: 'deploy',
      args: { manifest: bytesToHex(manifestHash), code: bytesToHex(codeHash) },
      attachments: [base64(manifest), base64(code)],
    },
  }
}

/** What a person of the hospital signs who is not the vendor. */
export const approveCall = (address: string): Proposal => call('approve', { address })

export const withdrawCall = (address: string): Proposal => call('withdrawApproval', { address })

/** All these versions become active together, at once (`at` 0) or in the first block at that time, ms. */
export const activateCall = (addresses: string[], at = 0): Proposal =>
  call('activate', { addresses, at: String(at) })

export const liftCall = (alias: string): Proposal => call('liftQuarantine', { alias })

export const cancelCall = (schedule: string): Proposal => call('cancelActivation', { schedule })
