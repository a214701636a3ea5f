// A linearizable read on real nodes: whoever was told of a write anywhere, a read that begins afterwards at
// any other node shows it; without a quorum it is refused instead of answered from what happens to be here.
import t from 'tap'
import { createHospital, until } from './network.fixture.js'
import { govern } from './ticket.fixture.js'

t.setTimeout(600_000)

t.test('reads at every node after writes at every node', async (t) => {
  const hospital = await createHospital({ validators: 4 })
  t.teardown(() => hospital.close())
  const [first, second, third, fourth] = hospital.validators
  t.match(await first.node.linearize(), { ok: true, value: { height: 0 } }, 'at genesis')
  let acknowledged = 0
  let stale = 0
  for (let round = 0; round < 8; round += 1) {
    const writer = hospital.validators[round % 4]
    const reader = hospital.validators[(round + 1) % 4]
    const admin = await hospital.signIn(writer, 'admin')
    const publicKey = (round + 1).toString(16).padStart(8, '0').padStart(64, '5')
    t.equal(await govern(hospital, writer, admin, 'enrol', { kind: 2, publicKey }), 'OK')
    acknowledged = writer.node.status().height
    if (reader.node.status().height < acknowledged) stale += 1
    const read = await reader.node.linearize()
    if (!read.ok) throw new Error(`${read.code} ${read.detail ?? ''}`)
    t.ok(read.value.height >= acknowledged, `round ${round}: ${read.value.height} of ${acknowledged}`)
    t.ok(reader.node.status().height >= acknowledged, 'and the reader has it')
  }
  t.comment(`${stale} of 8 readers were behind when they were asked`)
  const many = await Promise.all(hospital.validators.map(({ node }) => node.linearize()))
  t.ok(many.every((read) => read.ok && read.value.height >= acknowledged))

  const peersBefore = first.node.status().peersConnected
  const crowd = await Promise.all(Array.from({ length: 40 }, () => first.node.linearize()))
  t.ok(
    crowd.every((read) => read.ok && read.value.height >= acknowledged),
    'forty reads at once at one node',
  )
  t.equal(first.node.status().peersConnected, peersBefore, 'and nobody cuts it off for them')

  await third.node.close()
  t.match(await first.node.linearize(), { ok: true }, 'one may be away')
  await fourth.node.close()
  await until('two are gone', () => first.node.status().peersConnected <= 1)
  t.match(await first.node.linearize(), { ok: false, code: 'NOT_LINEARIZABLE' })
  t.match(
    await second.node.transaction('00'.repeat(32)),
    { code: 'TRANSACTION_UNKNOWN' },
    'local reads go on',
  )
})
