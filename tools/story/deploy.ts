// Deploying rules and the clinical page by transactions: the vendor signs the deployment, the
// administrator activates.
import {
  decodeManifest,
  contractAddress,
  bytesToHex,
  hexToBytes,
  type GenesisContract,
} from '../../runtime/protocol/index.js'
import { readFileSync } from 'node:fs'
import { sha256 } from '../../host/keys/crypto.js'
import type { ApiClient } from '../../host/api/client.js'
import type { NodeStatus, Outcome, Proposal, ReceiptView } from '../../host/api/node-port.js'
import { CommandError } from '../ward/command-error.js'
import { must } from '../ward/connect.js'
import { distFolder, readContract } from '../ward/system-contracts.js'
import { encodeText, type StoryNetwork } from './network.js'

export interface Deployment {
  alias: string
  version: string
  address: string
}

const ruleNames = ['ward-deterioration', 'ward-sepsis-screen']

function readPage(): GenesisContract {
  return {
    manifest: readFileSync(`${distFolder}apps/ward-chart.manifest.cbor`),
    code: readFileSync(`${distFolder}apps/ward-chart.html`),
  }
}

/** Signs a proposal with the session's key; anything but a clean receipt ends the story with its sentence. */
export async function signed(
  client: ApiClient,
  proposal: Proposal,
  password: string,
): Promise<ReceiptView> {
  const prepared = must(await client.prepare(proposal))
  const secret = prepared.passwordNeeded ? encodeText(password) : undefined
  const receipt = must(await client.sign(prepared.id, secret))
  if (receipt.code !== 'OK') {
    throw new CommandError(receipt.code, `${receipt.sentence} (${receipt.detail}) [${describe(proposal)}]`)
  }
  return receipt
}

const describe = (proposal: Proposal): string =>
  proposal.type === 'call' ? `${proposal.target}.${proposal.method}` : 'append'

export async function deployAll(network: StoryNetwork, vendorNode: string): Promise<Deployment[]> {
  const vendor = await network.signIn(vendorNode, 'vendor')
  const { password } = network.person('vendor')
  const status = must((await vendor.status()) as Outcome<NodeStatus>)
  const deployments: Deployment[] = []
  for (const contract of [...ruleNames.map(readContract), readPage()]) {
    deployments.push(await deploy(vendor, contract, status.chainId, password))
  }
  await vendor.signOut()
  const admin = await network.signIn(vendorNode, 'admin')
  const addresses = deployments.map((deployment) => deployment.address)
  const activate: Proposal = {
    type: 'call',
    target: 'ward/governance',
    method: 'activate',
    args: { addresses },
  }
  await signed(admin, activate, network.person('admin').password)
  await admin.signOut()
  return deployments
}

async function deploy(
  vendor: ApiClient,
  contract: GenesisContract,
  chainId: string,
  password: string,
): Promise<Deployment> {
  const manifest = decodeManifest(contract.manifest)
  if (!manifest.ok)
    throw new CommandError(manifest.code, `the built manifest does not decode: ${manifest.detail ?? ''}`)
  const { alias, version } = manifest.value
  const manifestHash = sha256(contract.manifest)
  const codeHash = sha256(contract.code)
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  const proposal: Proposal = {
    type: 'call',
    target: 'ward/governance',
    method: 'deploy',
    args: { manifest: bytesToHex(manifestHash), code: bytesToHex(codeHash) },
    attachments: [base64(contract.manifest), base64(contract.code)],
  }
  await signed(vendor, proposal, password)
  const chain = hexToBytes(chainId) ?? new Uint8Array(32)
  const address = contractAddress(sha256, { chainId: chain, alias, manifestHash, codeHash })
  return { alias, version, address: bytesToHex(address) }
}

/** A grant to append: one source, some codes of one kind, one patient or any. */
export function appendGrant(options: {
  id: string
  entity: string
  kind: number
  codes: string[]
  patient: string | null
}): Proposal {
  const { id, entity, kind, codes, patient } = options
  const args = { id, role: '', entity, action: 1, kind, target: '', names: codes, patient, validUntil: '0' }
  return { type: 'call', target: 'ward/policy', method: 'grant', args }
}
