// No administrator alone makes a key that signs for a person or a vendor: whoever could, would be the second
// person of its own approvals.
import t from 'tap'
import {
  aliasEntityId,
  codeOfStatus,
  entityKind,
  kernelCommandSchemas,
  kernelCommandTag,
  type Schema,
} from '../protocol/index.js'
import { enrolmentRequestMsMax } from './enrolments.js'
import { listNodes, readEntity, readKey } from './index.js'
import { systemContracts } from './test-contracts.fixture.js'
import { borsh, sha256, signerOf, World, type Signer } from './world.fixture.js'

const admin = signerOf('admin')
const colleague = signerOf('colleague')
const third = signerOf('third')
const vendor = signerOf('vendor', entityKind.vendor)
const device = signerOf('device', entityKind.source)

const found = (): World =>
  new World({ signers: [admin, colleague, third, vendor, device], contracts: systemContracts })

function command(tag: keyof typeof kernelCommandTag, body: Record<string, unknown>): Uint8Array {
  const schema = kernelCommandSchemas.get(kernelCommandTag[tag]) as Schema
  return Buffer.concat([Buffer.from([kernelCommandTag[tag]]), borsh(schema, body)])
}

const issue = (world: World, signer: Signer, bytes: Uint8Array): Uint8Array =>
  world.call(signer, 'ward/governance', 'command', bytes, { fuelLimit: 150_000_000 })

const codes = (world: World, bundles: Uint8Array[]): string[] =>
  world.block(bundles).receiptsDecoded.map(({ status }) => codeOfStatus(status) ?? '')

const run = (world: World, signer: Signer, bytes: Uint8Array): string =>
  codes(world, [issue(world, signer, bytes)]).join(' ')

const add = (one: Signer, kind: number): Uint8Array =>
  command('addEntity', { entity: one.entity, kind, publicKey: one.publicKey })
const addKey = (to: Signer, key: Signer): Uint8Array =>
  command('addKey', { entity: to.entity, publicKey: key.publicKey })

t.test('a vendor or a person is enrolled by two, and the same one twice is one', async (t) => {
  for (const kind of [entityKind.person, entityKind.vendor]) {
    const world = found()
    const newcomer = signerOf('newcomer', kind)
    const bytes = add(newcomer, kind)
    t.equal(run(world, admin, bytes), 'OK', 'the first request is noted')
    t.notOk(readEntity(world.chain, newcomer.entity), 'and enrols nobody')
    t.equal(run(world, admin, bytes), 'SECOND_PERSON_REQUIRED')
    t.equal(run(world, vendor, bytes), 'SECOND_PERSON_REQUIRED', 'a vendor is no second person')
    t.equal(
      run(world, device, bytes),
      'SECOND_PERSON_REQUIRED',
      'nor is a device, whatever role it was given',
    )
    const otherKind = kind === entityKind.person ? entityKind.vendor : entityKind.person
    t.equal(
      run(world, colleague, add(newcomer, otherKind)),
      'OK',
      'as something else it is a request of its own',
    )
    t.notOk(readEntity(world.chain, newcomer.entity))
    t.equal(run(world, colleague, bytes), 'OK')
    t.equal(readEntity(world.chain, newcomer.entity)?.kind, kind)
    t.equal(run(world, third, bytes), 'ENTITY_EXISTS')
  }
})

t.test('nobody alone adds a key with which to sign as somebody else', async (t) => {
  const world = found()
  const own = signerOf('own')
  for (const victim of [colleague, vendor]) {
    const key = signerOf(`for ${victim.kind}`)
    t.equal(run(world, admin, addKey(victim, key)), 'OK')
    t.notOk(readKey(world.chain, key.keyId))
    t.equal(run(world, admin, addKey(victim, key)), 'SECOND_PERSON_REQUIRED')
    t.equal(run(world, third, addKey(victim, key)), 'OK')
    t.same(readKey(world.chain, key.keyId)?.entity, victim.entity)
  }
  t.equal(run(world, admin, addKey(device, own)), 'OK', 'a device gets its keys from one administrator')
  t.ok(readKey(world.chain, own.keyId))
})

t.test('nobody adds a key to a node or a contract', async (t) => {
  const world = found()
  const own = signerOf('own')
  const { entity } = listNodes(world.chain)[0]
  const toNode = command('addKey', { entity, publicKey: own.publicKey })
  t.equal(run(world, admin, toNode), 'NODE_REFUSED', 'it would contradict itself in the name of the node')
  t.equal(run(world, colleague, toNode), 'NODE_REFUSED', 'two persons neither')
  const contract = aliasEntityId(sha256, 'ward/governance')
  t.equal(
    run(world, admin, command('addKey', { entity: contract, publicKey: own.publicKey })),
    'ARGUMENT_INVALID',
  )
  t.notOk(readKey(world.chain, own.keyId))
})

t.test(
  'both in one block, a request too old, and a person enrolled with a further key at once',
  async (t) => {
    const world = found()
    const [one, two, key] = [signerOf('one'), signerOf('two'), signerOf('key')]
    const bytes = add(one, entityKind.person)
    const inOneBlock = [admin, colleague, third].map((signer) => issue(world, signer, bytes))
    t.same(codes(world, inOneBlock), ['OK', 'OK', 'ENTITY_EXISTS'])
    t.ok(readEntity(world.chain, one.entity))

    t.equal(run(world, admin, add(two, entityKind.person)), 'OK')
    world.time += enrolmentRequestMsMax + 1
    t.equal(run(world, colleague, add(two, entityKind.person)), 'OK', 'a new first request')
    t.notOk(readEntity(world.chain, two.entity))
    const last = [
      issue(world, admin, add(two, entityKind.person)),
      issue(world, admin, addKey(two, key)),
      issue(world, colleague, addKey(two, key)),
    ]
    t.same(codes(world, last), ['OK', 'OK', 'OK'])
    t.same(readKey(world.chain, key.keyId)?.entity, two.entity)
  },
)
