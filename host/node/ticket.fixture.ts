// Tickets of a test hospital, and what an administrator does there.
import { bytesToHex, hexToBytes, nodeRoles, type NodeRole } from '../../runtime/protocol/index.js'
import type { Ticket } from '../founding/ticket.js'
import type { Proposal, Session } from '../api/node-port.js'
import { generateSigningKey, seedOf } from '../keys/crypto.js'
import type { TestHospital, TestNode } from './network.fixture.js'

const bytes = (hex: string): Uint8Array => hexToBytes(hex) ?? new Uint8Array(0)

export async function networkOf({ node }: TestNode) {
  const network = await node.network()
  if (!network.ok) throw new Error(network.code)
  return network.value
}

export async function ticketFor(
  hospital: TestHospital,
  at: TestNode,
  admin: Session,
  roleName: NodeRole = 'validator',
): Promise<Ticket> {
  const network = await networkOf(at)
  const key = generateSigningKey()
  const expires = Date.now() + 3_600_000
  const role = nodeRoles.indexOf(roleName)
  const publicKey = bytesToHex(key.publicKey)
  await govern(hospital, at, admin, 'issueTicket', {
    ...{ publicKey, role, uses: 1, expires: String(expires), replaces: null },
  })
  const peers = network.nodes.map(({ entity, transportKey, host, port }) => ({
    ...{ entity: bytes(entity), transportKey: bytes(transportKey), host, port },
  }))
  const { chainName, epoch } = network
  const secret = new Uint8Array(seedOf(key))
  return { chainId: bytes(network.chainId), chainName, epoch, role: roleName, expires, secret, peers }
}

export async function govern(
  hospital: TestHospital,
  at: TestNode,
  admin: Session,
  method: string,
  args: Extract<Proposal, { type: 'call' }>['args'],
): Promise<string> {
  const receipt = await hospital.sign(at, admin, { type: 'call', target: 'ward/governance', method, args })
  return receipt.code
}
