// Deploying rules and the clinical page by transactions: the vendor signs each version, the administrator
// approves it, and one transaction activates them all.
import { bytesToHex, hexToBytes, type GenesisContract } from '../../runtime/protocol/index.js'
import { readFileSync } from 'node:fs'
import type { ApiClient } from '../../host/api/client.js'
import type { NodeStatus, Outcome, Proposal, ReceiptView } from '../../host/api/node-port.js'
import { CommandError } from '../ward/command-error.js'
import { must } from '../ward/connect.js'
import { activateCall, approveCall, newVersion } from '../ward/governance-calls.js'
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

/** The vendor signs each version, the administrator approves each, one transaction switches them all. */
export async function deployAll(network: StoryNetwork, desk: string): Promise<Deployment[]> {
  return deployVersions(network, desk, [...ruleNames.map(readContract), readPage()])
}

export async function deployVersions(
  network: StoryNetwork,
  desk: string,
  contracts: readonly GenesisContract[],
): Promise<Deployment[]> {
  const deployments = await deployAndApprove(network, desk, contracts)
  const admin = await network.signIn(desk, 'admin')
  const addresses = deployments.map((deployment) => deployment.address)
  await signed(admin, activateCall(addresses), network.person('admin').password)
  await admin.signOut()
  return deployments
}

/** Two persons: the vendor deploys, the administrator approves. Nothing is switched. */
export async function deployAndApprove(
  network: StoryNetwork,
  desk: string,
  contracts: readonly GenesisContract[],
): Promise<Deployment[]> {
  const vendor = await network.signIn(desk, 'vendor')
  const status = must((await vendor.status()) as Outcome<NodeStatus>)
  const chainId = hexToBytes(status.chainId) ?? new Uint8Array(32)
  const deployments: Deployment[] = []
  for (const contract of contracts) {
    const { manifest, address, deploy } = newVersion(contract, chainId)
    await signed(vendor, deploy, network.person('vendor').password)
    deployments.push({ alias: manifest.alias, version: manifest.version, address: bytesToHex(address) })
  }
  await vendor.signOut()
  const admin = await network.signIn(desk, 'admin')
  for (const { address } of deployments) {
    await signed(admin, approveCall(address), network.person('admin').password)
  }
  await admin.signOut()
  return deployments
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
