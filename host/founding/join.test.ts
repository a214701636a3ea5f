// Admission of nodes by governance, with real nodes: a ticket, a join, a removal; who is not listed gets
// silence.
import t from 'tap'
import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { bytesToHex, entityIdOf, hexToBytes, nodeRoles } from '../../runtime/protocol/index.js'
import { generateSigningKey, seedOf, sha256 } from '../keys/crypto.js'
import { nodeFiles } from '../node/node-config.js'
import {
  createHospital,
  nodeConfig,
  until,
  type TestHospital,
  type TestNode,
} from '../node/network.fixture.js'
import { freePorts } from '../../consensus/net/free-ports.js'
import { cheapKdf, storePassword } from '../node/single-node.fixture.js'
import { joinNetwork } from './join.js'
import { encodeTicket, readTicketFile, type Ticket } from './ticket.js'

async function issue(
  hospital: TestHospital,
  at: TestNode,
  options: { uses?: number; lifeMs?: number; replaces?: string } = {},
): Promise<Ticket> {
  const { uses = 1, lifeMs = 3_600_000, replaces = null } = options
  const network = await at.node.network()
  if (!network.ok) throw new Error(network.code)
  const key = generateSigningKey()
  const expires = Date.now() + lifeMs
  const session = await hospital.signIn(at, 'admin')
  const args = {
    publicKey: bytesToHex(key.publicKey),
    role: nodeRoles.indexOf('observer'),
    uses,
    expires: String(expires),
    replaces,
  }
  const proposal = { type: 'call' as const, target: 'ward/governance', method: 'issueTicket', args }
  const receipt = await hospital.sign(at, session, proposal)
  if (receipt.code !== 'OK') throw new Error(`${receipt.code} ${receipt.detail}`)
  const bytes = (hex: string): Uint8Array => hexToBytes(hex) ?? new Uint8Array(0)
  return {
    chainId: bytes(network.value.chainId),
    chainName: network.value.chainName,
    epoch: 0,
    role: 'observer',
    expires,
    secret: new Uint8Array(seedOf(key)),
    peers: network.value.nodes
      .filter(({ port }) => port > 0)
      .map(({ entity, transportKey, host, port }) => ({
        entity: bytes(entity),
        transportKey: bytes(transportKey),
        host,
        port,
      })),
  }
}

const join = (hospital: TestHospital, name: string, ticket: Ticket, timeoutMs = 120_000) =>
  joinNetwork({
    folder: path.join(hospital.folder, name),
    ticket,
    config: nodeConfig(name, ticket.role, 0),
    password: storePassword,
    cost: cheapKdf,
    timeoutMs,
  })

t.test('a fresh computer joins by a ticket and follows; a removed one gets silence', async (t) => {
  const hospital = await createHospital({ validators: 2 })
  t.teardown(() => hospital.close())
  const [first] = hospital.validators
  const ticket = await issue(hospital, first)
  const file = path.join(hospital.folder, 'ticket')
  writeFileSync(file, encodeTicket(ticket))
  t.same(readTicketFile(file), { ...ticket, secret: ticket.secret }, 'what is written is read')

  await join(hospital, 'ward-4', ticket)
  const again = (other: Partial<Ticket>, password = storePassword) =>
    joinNetwork({
      folder: path.join(hospital.folder, 'ward-4'),
      ticket: { ...ticket, ...other },
      config: nodeConfig('ward-4', ticket.role, 0),
      password,
    })
  await t.resolves(again({ expires: 1 }), 'admitted before the ticket ended: it stands')
  await t.rejects(again({}, new Uint8Array([1])), { code: 'KEYSLOT_REJECTED' }, 'not by anyone')
  await t.rejects(
    again({ chainId: new Uint8Array(32) }),
    { code: 'FOLDER_NOT_EMPTY', message: /of another network/ },
    'nor to another network',
  )
  const release = { threshold: 1, keys: [new Uint8Array(32)] }
  await t.rejects(again({ release }), { code: 'TICKET_MALFORMED' }, "nor for another vendor's software")

  const ward = await hospital.open('ward-4')
  await until('ward-4 follows', () => ward.node.isCaughtUp())
  t.equal(ward.node.status().stateRoot, first.node.status().stateRoot)
  t.match(await ward.node.network(), { ok: true, value: { self: /.{64}/ } })
  const network = await first.node.network()
  const row = network.ok ? network.value.nodes.find((node) => node.name === 'ward-4') : undefined
  t.match(row, { listed: true, connected: true, role: 'observer' }, 'the others list it')

  await t.rejects(
    join(hospital, 'ward-5', ticket, 1_500),
    { code: /NETWORK_UNREACHABLE|ADMISSION_REFUSED/ },
    'one use only',
  )
  await t.rejects(join(hospital, 'late', { ...ticket, expires: 1 }), { code: 'TICKET_EXPIRED' })
  t.notOk(existsSync(nodeFiles(path.join(hospital.folder, 'late')).keyslots), 'nothing was made')

  const other = { ...(await issue(hospital, first)), role: 'gateway' as const }
  await t.rejects(
    join(hospital, 'other', other),
    { code: 'ADMISSION_REFUSED', message: /TICKET_REFUSED, it admits a node with role observer/ },
    'not in another role',
  )
  await t.rejects(
    join(hospital, 'ward-4 ', other),
    { code: 'ADMISSION_REFUSED', message: /TICKET_REFUSED/ },
    'nor with a name that is none',
  )

  const session = await hospital.signIn(first, 'admin')
  const remove = { type: 'call' as const, target: 'ward/governance', method: 'removeNode' }
  const receipt = await hospital.sign(first, session, { ...remove, args: { entity: row?.entity ?? '' } })
  t.equal(receipt.code, 'OK')
  await until('the link is closed', () => {
    const peers = first.node.peers()
    return peers.ok && !peers.value.peers.some(({ name }) => name === 'ward-4')
  })
  await until('it is told by its own state or cut off', () => ward.node.status().peersConnected === 0)
})

t.test(
  'a ticket with a new identity for an old machine: the old one is out in the same moment',
  async (t) => {
    const hospital = await createHospital({ validators: 1 })
    t.teardown(() => hospital.close())
    const [only] = hospital.validators
    await join(hospital, 'ward-4', await issue(hospital, only))
    const nurse = await hospital.signIn(only, 'nurse')
    const patient = '22'.repeat(16)
    const body = {
      family: 'Jones',
      given: 'Lisa',
      birthDate: 0,
      sex: '',
      pregnancy: 0,
      identifiers: [],
      ward: '',
      room: '',
      bed: '',
      visitNumber: '',
      reason: '',
    }
    const records = [{ kind: 'admission' as const, patient, code: '', body }]
    t.equal((await hospital.sign(only, nurse, { type: 'append', records })).code, 'OK')
    const admin = await hospital.signIn(only, 'admin')
    const erase = {
      type: 'call' as const,
      target: 'ward/governance',
      method: 'erasePatient',
      args: { patient },
    }
    t.equal((await hospital.sign(only, admin, erase)).code, 'OK')
    const before = await only.node.network()
    const old = before.ok ? before.value.nodes.find((node) => node.name === 'ward-4') : undefined
    const ticket = await issue(hospital, only, { replaces: old?.entity })
    const folder = path.join(hospital.folder, 'anew')
    const config = { ...nodeConfig('ward-4', 'observer', (await freePorts(1, 'udp'))[0]) }
    await joinNetwork({ folder, ticket, config, password: storePassword, cost: cheapKdf })
    const after = await only.node.network()
    const rows = after.ok ? after.value.nodes.filter((node) => node.name === 'ward-4') : []
    t.same(
      rows.map(({ listed }) => listed),
      [false, true],
    )
    t.not(rows[0].entity, rows[1].entity)
    t.equal(rows[0].entity, old?.entity)
    t.ok(entityIdOf(sha256, hexToBytes(rows[1].voteKey) ?? new Uint8Array(32)))
  },
)
