// Nodes, tickets and validators as state: what governance may change, what it refuses, and when it acts.
import t from 'tap'
import sodium from 'sodium-native'
import {
  codeOfStatus,
  consentBytes,
  entityIdOf,
  entityKind,
  forceValidatorsBytes,
  kernelCommandSchemas,
  kernelCommandTag,
  nodeProofBytes,
  readinessBytes,
  validatorAction,
  validatorsHash,
  type NodeCardFields,
  type Schema,
  type Validator,
} from '../protocol/index.js'
import {
  listNodes,
  liveTickets,
  readEntity,
  readInstitution,
  readKey,
  readNode,
  readPending,
} from './index.js'
import { recentResultsMax } from './recent-results.js'
import { systemContracts } from './test-contracts.fixture.js'
import { borsh, sha256, signerOf, World, type Signer } from './world.fixture.js'

const admin = signerOf('admin')
const deputy = signerOf('deputy')
const zero = (count: number): Uint8Array => new Uint8Array(count)

function found(institution?: { threshold: number; keys: Uint8Array[] }): World {
  return new World({ signers: [admin, deputy], contracts: systemContracts, institution })
}

function command(tag: keyof typeof kernelCommandTag, body: Record<string, unknown>): Uint8Array {
  const schema = kernelCommandSchemas.get(kernelCommandTag[tag]) as Schema
  return Buffer.concat([Buffer.from([kernelCommandTag[tag]]), borsh(schema, body)])
}

const statuses = (world: World, bundles: Uint8Array[], at: { time?: number } = {}): string[] =>
  world.block(bundles, at).receiptsDecoded.map(({ status, detail }) => {
    const code = codeOfStatus(status) ?? ''
    return code === 'CONTRACT_ABORTED' ? (codeOfStatus(Number.parseInt(detail ?? '', 10)) ?? '') : code
  })

const issue = (world: World, bytes: Uint8Array, signer: Signer = admin): Uint8Array =>
  world.call(signer, 'ward/governance', 'command', bytes, { fuelLimit: 100_000_000 })

const run = (world: World, bytes: Uint8Array, signer: Signer = admin): string =>
  statuses(world, [issue(world, bytes, signer)])[0]

function sign(signer: Signer, bytes: Uint8Array): Uint8Array {
  const signature = Buffer.alloc(64)
  sodium.crypto_sign_detached(signature, Buffer.from(bytes), signer.secretKey)
  return signature
}

const keyOf = (name: string): Signer => signerOf(name, entityKind.node)

function cardOf(name: string, change: Partial<NodeCardFields> = {}): NodeCardFields {
  const { publicKey } = keyOf(name)
  const transportKey = keyOf(`${name} transport`).publicKey
  return { name, role: 1, voteKey: publicKey, transportKey, host: '10.0.0.9', port: 49_009, ...change }
}

function admission(world: World, card: NodeCardFields, signer = keyOf(card.name)) {
  return { ...card, proof: sign(signer, nodeProofBytes(world.chainId, card)) }
}

const admit = (world: World, name: string, change: Partial<NodeCardFields> = {}): string =>
  run(world, command('admitNode', admission(world, cardOf(name, change))))

function change(
  world: World,
  parts: {
    action: keyof typeof validatorAction
    entity: Uint8Array
    successor?: Uint8Array
    key?: Signer
    consent?: Signer
    resultHash?: Uint8Array
  },
  height = world.height,
): Uint8Array {
  const { action, entity, successor = entity, key } = parts
  const statement = {
    action: validatorAction[action],
    entity,
    successor,
    voteKey: key?.publicKey ?? zero(32),
    height: BigInt(height),
    resultHash: parts.resultHash ?? world.resultAt(height),
  }
  const proof = key ? sign(key, readinessBytes(world.chainId, statement)) : zero(64)
  const consent = parts.consent ? sign(parts.consent, consentBytes(world.chainId, statement)) : null
  return command('changeValidator', { ...statement, proof, consent })
}

t.test('nodes are listed, changed and removed at the block boundary', async (t) => {
  const world = found()
  const founding = listNodes(world.chain)
  t.same(
    founding.map(({ number, role, listed }) => ({ number, role, listed })),
    founding.map((_, number) => ({ number, role: 'validator', listed: true })),
    'the founding nodes',
  )
  t.equal(admit(world, 'ward-4'), 'OK')
  const entity = entityIdOf(sha256, keyOf('ward-4').publicKey)
  t.equal(listNodes(world.chain).at(-1)?.name, 'ward-4')
  t.equal(admit(world, 'ward-4'), 'NODE_REFUSED', 'twice')
  t.equal(admit(world, 'other', { name: 'ward-4', voteKey: keyOf('other').publicKey }), 'PROOF_INVALID')
  const stolen = cardOf('ward-5', { transportKey: keyOf('ward-4 transport').publicKey })
  t.equal(
    run(world, command('admitNode', admission(world, stolen))),
    'NODE_REFUSED',
    'a key that is in use',
  )
  t.equal(admit(world, 'no-address', { host: 'example.org' }), 'NODE_REFUSED')
  t.equal(admit(world, 'no-port', { role: 0, port: 0 }), 'NODE_REFUSED')
  t.equal(admit(world, 'odd', { role: 7 }), 'NODE_REFUSED')
  const twins = ['ward-6', 'ward-7'].map((name) =>
    issue(world, command('admitNode', admission(world, cardOf(name, { transportKey: zero(32) })))),
  )
  t.same(statuses(world, twins), ['OK', 'NODE_REFUSED'], 'one key, two nodes, one block')

  const rotated = { entity, transportKey: keyOf('new').publicKey, host: '10.0.0.10', port: 1 }
  t.equal(run(world, command('rotateNode', rotated)), 'OK')
  t.match(readNode(world.chain, entity), { name: 'ward-4', host: '10.0.0.10', port: 1, listed: true })
  t.equal(
    admit(world, 'ward-8', { transportKey: cardOf('ward-4').transportKey }),
    'OK',
    'the old key is free',
  )

  t.equal(run(world, command('removeNode', { entity })), 'OK')
  t.equal(readNode(world.chain, entity)?.listed, false)
  t.equal(run(world, command('removeNode', { entity })), 'NODE_REFUSED')
  t.equal(run(world, command('rotateNode', rotated)), 'NODE_REFUSED')
  t.equal(admit(world, 'ward-4'), 'NODE_REFUSED', 'a removed identity never comes back')
  t.equal(admit(world, 'ward-4b', { name: 'ward-4', voteKey: keyOf('ward-4b').publicKey }), 'PROOF_INVALID')
  const again = { ...cardOf('ward-4'), voteKey: keyOf('again').publicKey, transportKey: zero(32).fill(9) }
  t.equal(run(world, command('admitNode', admission(world, again, keyOf('again')))), 'OK', 'its name may')
  t.equal(run(world, command('removeNode', { entity: founding[0].entity })), 'NODE_REFUSED', 'a validator')
})

t.test('the block that lists a node enrols its key as nothing else', async (t) => {
  const key = keyOf('ward-4')
  const source = { entity: key.entity, kind: entityKind.source, publicKey: key.publicKey }
  const further = { entity: key.entity, publicKey: keyOf('further').publicKey }
  const enrol = (world: World) => [
    issue(world, command('addEntity', source)),
    issue(world, command('addKey', further)),
  ]
  const list = (world: World) => issue(world, command('admitNode', admission(world, cardOf('ward-4'))))
  const before = found()
  t.same(statuses(before, [...enrol(before), list(before)]), ['OK', 'OK', 'NODE_REFUSED'])
  const after = found()
  t.same(statuses(after, [list(after), ...enrol(after)]), ['OK', 'ENTITY_EXISTS', 'ENTITY_UNKNOWN'])
  t.equal(readEntity(after.chain, key.entity)?.kind, entityKind.node)
  t.notOk(readKey(after.chain, keyOf('further').keyId))
})

t.test('a ticket admits, bounded in use, time and role', async (t) => {
  const world = found()
  const ticket = signerOf('ticket', entityKind.service)
  const body = (parts: Record<string, unknown> = {}) => ({
    publicKey: ticket.publicKey,
    role: 1,
    uses: 2,
    expires: BigInt(world.time + 60_000),
    replaces: null,
    ...parts,
  })
  t.equal(run(world, command('issueTicket', body({ uses: 0 }))), 'ARGUMENT_INVALID')
  t.equal(run(world, command('issueTicket', body({ uses: 257 }))), 'ARGUMENT_INVALID')
  t.equal(run(world, command('issueTicket', body({ expires: BigInt(world.time) }))), 'ARGUMENT_INVALID')
  const late = BigInt(world.time + 31 * 24 * 3_600_000)
  t.equal(run(world, command('issueTicket', body({ expires: late }))), 'ARGUMENT_INVALID')
  t.equal(run(world, command('issueTicket', body())), 'OK')
  t.equal(run(world, command('issueTicket', body())), 'ENTITY_EXISTS')
  t.equal(liveTickets(world.chain, world.time).length, 1)

  const redeem = (name: string, parts: Partial<NodeCardFields> = {}): Uint8Array =>
    command('redeemTicket', admission(world, cardOf(name, parts)))
  t.equal(run(world, redeem('a')), 'TICKET_REFUSED', 'an administrator is no ticket')
  t.equal(run(world, redeem('a', { role: 2 }), ticket), 'TICKET_REFUSED', 'another role')
  const three = ['a', 'b', 'c'].map((name) => issue(world, redeem(name), ticket))
  t.same(statuses(world, three), ['OK', 'OK', 'TICKET_REFUSED'], 'two uses, in one block too')
  t.same(liveTickets(world.chain, world.time), [])
  t.equal(readKey(world.chain, ticket.keyId)?.revoked, true, 'its key signs nothing more')

  const second = signerOf('second ticket', entityKind.service)
  t.equal(run(world, command('issueTicket', body({ publicKey: second.publicKey }))), 'OK')
  const spoilt = { ...admission(world, cardOf('d')), proof: zero(64) }
  t.equal(run(world, command('redeemTicket', spoilt), second), 'PROOF_INVALID')
  const expired = issue(world, redeem('d'), second)
  t.same(statuses(world, [expired], { time: world.time + 61_000 }), ['TICKET_REFUSED'], 'after its time')
  t.same(liveTickets(world.chain, world.time), [])

  const third = signerOf('third ticket', entityKind.service)
  t.equal(run(world, command('issueTicket', body({ publicKey: third.publicKey }))), 'OK')
  t.equal(run(world, command('revokeTicket', { ticket: third.entity })), 'OK')
  t.equal(run(world, command('revokeTicket', { ticket: third.entity })), 'TICKET_REFUSED')
  t.same(liveTickets(world.chain, world.time), [])
})

t.test('a ticket may put a new identity in the place of an old one', async (t) => {
  const world = found()
  admit(world, 'ward-4')
  const old = entityIdOf(sha256, keyOf('ward-4').publicKey)
  const ticket = signerOf('ticket', entityKind.service)
  const body = { publicKey: ticket.publicKey, role: 1, expires: BigInt(world.time + 60_000), replaces: old }
  t.equal(run(world, command('issueTicket', { ...body, uses: 2 })), 'ARGUMENT_INVALID', 'one use')
  const member = listNodes(world.chain)[0].entity
  t.equal(run(world, command('issueTicket', { ...body, uses: 1, replaces: member })), 'NODE_REFUSED')
  t.equal(run(world, command('issueTicket', { ...body, uses: 1 })), 'OK')
  t.equal(readNode(world.chain, old)?.listed, true, 'until it is used')
  const card = cardOf('ward-4', { voteKey: keyOf('fresh').publicKey })
  t.equal(run(world, command('redeemTicket', admission(world, card, keyOf('fresh'))), ticket), 'OK')
  t.equal(readNode(world.chain, old)?.listed, false)
  t.equal(readNode(world.chain, entityIdOf(sha256, card.voteKey))?.name, 'ward-4')
})

t.test('validators change one at a time, two blocks later', async (t) => {
  const world = found()
  admit(world, 'fifth')
  const fifth = keyOf('fifth')
  const before = world.validators
  t.equal(
    run(world, change(world, { action: 'remove', entity: before[0].entity })),
    'QUORUM_AT_RISK',
    '4 to 3',
  )
  t.equal(
    run(world, change(world, { action: 'add', entity: before[0].entity, key: fifth })),
    'VALIDATORS_REFUSED',
  )
  const unlisted = keyOf('unlisted')
  t.equal(
    run(world, change(world, { action: 'add', entity: unlisted.entity, key: unlisted })),
    'VALIDATORS_REFUSED',
  )
  const add = { action: 'add' as const, entity: fifth.entity, key: fifth }
  t.equal(run(world, change(world, add, world.height + 5)), 'NOT_AT_TIP', 'a height that is not there yet')
  for (let count = 0; count < 70; count += 1) world.block([])
  // It stands in the next block: the oldest result that is kept there is of 64 blocks before that one.
  const oldest = (): number => world.height + 1 - recentResultsMax
  t.equal(run(world, change(world, add, oldest() - 1)), 'NOT_AT_TIP', 'one block too long ago')
  const at = world.height - 10
  for (const resultHash of [zero(32), world.resultAt(at - 1), world.resultAt(at + 1)])
    t.equal(run(world, change(world, { ...add, resultHash }, at)), 'RESULT_DIFFERS', 'with another state')
  const chosen = (height = world.height): Uint8Array => change(world, { ...add, key: unlisted }, height)
  t.equal(run(world, chosen(oldest())), 'OK', 'a key that the chain does not know: one word is noted')
  t.equal(readPending(world.chain), undefined)
  t.equal(run(world, chosen(), deputy), 'OK', 'another one says the same')
  t.same(world.validators, before, 'not in the next block')
  t.equal(world.last?.result.nextDueTime, world.time, 'the next block is due')
  t.equal(run(world, change(world, add)), 'CHANGE_IN_FLIGHT')
  t.same(
    world.validators,
    [...before, { entity: fifth.entity, voteKey: unlisted.publicKey }],
    'the block after the next has the new set',
  )
  t.equal(readPending(world.chain), undefined)
  t.equal(world.last?.result.nextDueTime, 0)
  t.equal(readNode(world.chain, fifth.entity)?.role, 0)
  t.equal(run(world, command('removeNode', { entity: fifth.entity })), 'NODE_REFUSED', 'it votes')

  const rotate = { action: 'rotate' as const, entity: fifth.entity, key: fifth }
  t.equal(run(world, change(world, { ...rotate, consent: fifth })), 'PROOF_INVALID', 'the new key only')
  t.equal(run(world, change(world, { ...rotate, consent: unlisted })), 'OK', 'the key before consents')
  world.block([])
  t.same(world.validators.at(-1), { entity: fifth.entity, voteKey: fifth.publicKey })
  t.equal(run(world, change(world, { action: 'remove', entity: fifth.entity })), 'OK', '5 to 4')
  world.block([])
  t.same(world.validators, before)
  t.equal(readNode(world.chain, fifth.entity)?.role, 1)
  const replace = {
    action: 'replace' as const,
    entity: before[1].entity,
    successor: fifth.entity,
    key: fifth,
  }
  t.equal(run(world, change(world, replace)), 'OK', 'a place is handed over')
  world.block([])
  t.same(world.validators[1], { entity: fifth.entity, voteKey: fifth.publicKey })
  t.equal(world.validators.length, before.length)
})

t.test('the whole set only by institution keys, where there are any', async (t) => {
  const keys = ['director', 'matron', 'notary'].map((name) => signerOf(name))
  const world = found({ threshold: 2, keys: keys.map((key) => key.publicKey) })
  t.equal(readInstitution(world.chain)?.threshold, 2)
  const set = world.validators.slice(1)
  const current = world.validators
  const signed = (signers: Signer[], next: readonly Validator[]) => {
    const [currentHash, nextHash] = [current, next].map((list) => validatorsHash(sha256, list))
    const bytes = forceValidatorsBytes({ chainId: world.chainId, epoch: 0, currentHash, nextHash })
    const signatures = signers.map((key) => ({ key: key.publicKey, signature: sign(key, bytes) }))
    return command('setValidators', { validators: next, signatures })
  }
  t.equal(run(world, signed([keys[0]], set)), 'INSTITUTION_KEYS_NEEDED')
  t.equal(run(world, signed([keys[0], keys[0]], set)), 'INSTITUTION_KEYS_NEEDED', 'one key twice')
  t.equal(run(world, signed([keys[0], admin], set)), 'INSTITUTION_KEYS_NEEDED', 'a key of somebody else')
  const good = signed([keys[0], keys[2]], set)
  t.equal(run(world, good), 'OK')
  world.block([])
  t.same(world.validators, set, 'four to three, by force')
  t.equal(run(world, good), 'INSTITUTION_KEYS_NEEDED', 'the same signatures are good once')
  t.equal(run(world, signed(keys, [])), 'VALIDATORS_REFUSED')
  t.equal(run(world, signed(keys, [set[0], set[0]])), 'VALIDATORS_REFUSED')
  t.equal(run(world, signed(keys, [{ entity: zero(32), voteKey: zero(32) }])), 'VALIDATORS_REFUSED')
})

t.test('one administrator alone gives no validator a key of another choice', async (t) => {
  const world = found()
  const week = 7 * 24 * 3_600_000
  const { entity } = world.validators[0]
  const mine = keyOf('mine')
  const wanted = (key = mine): Uint8Array => change(world, { action: 'rotate', entity, key })
  const before = world.validators
  t.equal(run(world, wanted()), 'OK', 'noted')
  t.equal(run(world, wanted()), 'SECOND_PERSON_REQUIRED', 'the same one again')
  t.equal(run(world, wanted(keyOf('other')), deputy), 'OK', 'another key is another request')
  world.block([])
  t.same(world.validators, before)
  t.equal(readPending(world.chain), undefined)
  const set = [{ entity, voteKey: mine.publicKey }, ...before.slice(1)]
  world.block([], { time: world.time + week + 1 })
  const whole = command('setValidators', { validators: set, signatures: [] })
  t.equal(run(world, whole, deputy), 'OK', 'too late: a first word again')
  t.equal(readPending(world.chain), undefined)
  t.equal(run(world, wanted(), deputy), 'SECOND_PERSON_REQUIRED', 'in whatever words')
  t.equal(run(world, wanted()), 'OK', 'two')
  world.block([])
  t.same(world.validators, set)
  t.equal(run(world, wanted(keyOf('other'))), 'OK')
  t.equal(readPending(world.chain), undefined, 'what was asked for of another set counts no more')

  const device = signerOf('device', entityKind.service)
  const machine = new World({ signers: [admin, deputy, device], contracts: systemContracts })
  const seat = machine.validators[0].entity
  const rotation = change(machine, { action: 'rotate', entity: seat, key: mine })
  t.equal(run(machine, rotation, device), 'SECOND_PERSON_REQUIRED', 'a machine is nobody')
  t.same(
    statuses(
      machine,
      [admin, deputy].map((by) => issue(machine, rotation, by)),
    ),
    ['OK', 'OK'],
  )
  t.ok(readPending(machine.chain), 'both in one block')
})

t.test('without institution keys two administrators may set them', async (t) => {
  const world = found()
  const set = world.validators.slice(1)
  const bytes = command('setValidators', { validators: set, signatures: [] })
  t.equal(run(world, bytes), 'OK')
  world.block([])
  t.equal(world.validators.length, set.length + 1, 'not by one')
  t.equal(run(world, bytes, deputy), 'OK')
  world.block([])
  t.same(world.validators, set)
})
