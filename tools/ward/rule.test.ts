// `ward rule` as its users meet it: the command itself against a running node. Two persons, switches of
// several aliases, a planned activation that survives a restart, roll-back, a migration, quarantine.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { createApiClient, type ApiClient } from '../../host/api/client.js'
import { startApi, type ApiServer } from '../../host/api/server.js'
import { createNodeLogger } from '../../host/node/node-logger.js'
import {
  createSingleNode,
  personPassword,
  storePassword,
  type SingleNode,
} from '../../host/node/single-node.fixture.js'
import type { Json, Proposal, ReceiptView, ReplayView } from '../../host/api/node-port.js'
import { genesisContract } from '../../runtime/execution/test-contracts.fixture.js'
import {
  bytesToHex,
  hexToBytes,
  recordKind,
  type GenesisContract,
  type Manifest,
} from '../../runtime/protocol/index.js'
import { must } from './connect.js'
import { activateCall, approveCall, newVersion, withdrawCall } from './governance-calls.js'
import {
  admissionOf,
  foundLater,
  makeHistory,
  pruneBelow,
  pulseOf,
  replayContracts,
} from './replay.fixture.js'
import { former, timeOf } from './rule-switch.js'
import { brokenCode, code, kept, none, version } from './rule-versions.fixture.js'

t.setTimeout(900_000)

const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-rule-'))
const password = 'second password of the test\n'
let single: SingleNode
let api: ApiServer
let client: ApiClient

const serve = async (): Promise<void> => {
  const logger = createNodeLogger('test', 'silent')
  api = await startApi({ port: 0, host: '127.0.0.1', staticFolder: 'dist/shell' }, single.node, logger)
  client = createApiClient(api.url)
}

t.before(async () => {
  // A switch to the newest is part of what happens here.
  single = await createSingleNode({ fuelSchedule: 2 })
  await serve()
})
t.teardown(async () => {
  await api.close()
  await single.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Ended {
  status: number | null
  output: string
  errors: string
}

/** Runs `ward rule` on this node; the password goes to standard input. */
const rule = (...args: string[]): Promise<Ended> => ward(['rule', ...args, '--api', api.url])

function ward(args: readonly string[], input = password): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['dist/tools/ward.js', ...args])
    let [output, errors] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')))
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')))
    child.on('exit', (status) => resolve({ status, output, errors }))
    child.stdin.end(input)
  })
}

const asVendor = ['--as', 'Test vendor', '--yes']
const asAdmin = ['--as', 'Test admin', '--yes']

/** The transaction that switched to a newer layout. */
let migration = ''

async function activeOf(alias: string): Promise<string> {
  const answer = await client.versions(alias)
  if (!answer.ok) return answer.code
  return answer.value.aliases[0]?.versions.find((one) => one.active)?.version ?? 'none'
}

async function signed(role: keyof SingleNode['persons'], proposal: Proposal): Promise<ReceiptView> {
  const session = await single.signIn(role)
  const receipt = await single.sign(session, proposal)
  if (receipt.code !== 'OK') throw new Error(`${receipt.code} ${receipt.detail}`)
  return receipt
}

/** Deployed and approved without the command: what these calls say is tested above. */
const ship = (alias: string, number: string, fields: Partial<Manifest> = {}): Promise<string> =>
  shipContract(version(alias, number, fields))

async function shipContract(contract: GenesisContract): Promise<string> {
  const chainId = hexToBytes(single.node.status().chainId) ?? new Uint8Array(32)
  const { address, deploy } = newVersion(contract, chainId)
  await signed('vendor', deploy)
  await signed('admin', approveCall(bytesToHex(address)))
  return bytesToHex(address)
}

t.test('a version needs two persons, and every refusal says what to do', async (t) => {
  const contract = version('acme/one', '1.0.0')
  const files = ['--manifest', path.join(folder, 'one.cbor'), '--code', path.join(folder, 'one.wasm')]
  writeFileSync(files[1], contract.manifest)
  writeFileSync(files[3], contract.code)
  const wrong = await rule('deploy', ...files, ...asAdmin)
  t.equal(wrong.status, 1)
  t.match(wrong.errors, /no grant for ward\/governance\.deploy.*CONTRACT_ABORTED/)
  const deployed = await rule('deploy', ...files, ...asVendor)
  t.equal(deployed.status, 0, deployed.errors)
  t.match(deployed.output, /ward rule approve acme\/one@1\.0\.0/)
  const early = await rule('activate', 'acme/one@1.0.0', ...asAdmin)
  t.equal(early.status, 1)
  t.match(early.errors, /no approval of the hospital.*\[NOT_APPROVED\]/s)
  t.equal((await rule('approve', 'acme/one@1.0.0', ...asVendor)).status, 1, 'the vendor has no such grant')
  const approved = await rule('approve', 'acme/one@1.0.0', ...asAdmin)
  t.equal(approved.status, 0, approved.errors)
  t.match(approved.output, /signed by Test vendor; not approved yet/)
  const active = await rule('activate', 'acme/one@1.0.0', ...asAdmin)
  t.equal(active.status, 0, active.errors)
  t.equal(await activeOf('acme/one'), '1.0.0')
  const listed = await rule('versions', 'acme/one')
  t.match(listed.output, /\* 1\.0\.0 .* layout 1\n.*deployed by Test vendor .*approved by Test admin/)
})

t.test('unknown names, unclear names and wrong use are told apart', async (t) => {
  t.match((await rule('activate', 'acme/one@9.9.9', ...asAdmin)).errors, /Deployed: acme\/one@1\.0\.0/)
  t.match((await rule('versions', 'acme/none')).errors, /ALIAS_UNKNOWN/)
  t.equal((await rule('deploy', ...asVendor)).status, 2)
  const deployOf = async (manifest: string, code: string): Promise<string> =>
    (
      await rule(
        'deploy',
        '--manifest',
        path.join(folder, manifest),
        '--code',
        path.join(folder, code),
        ...asVendor,
      )
    ).errors
  writeFileSync(path.join(folder, 'one.json'), '{"alias":"acme/one"}')
  t.match(await deployOf('none.cbor', 'one.wasm'), /there is no such file.*INPUT_MISSING/)
  t.match(await deployOf('', 'one.wasm'), /that is a folder.*INPUT_MISSING/)
  t.match(await deployOf('one.wasm', 'one.cbor'), /CBOR_MALFORMED at byte \d+.*swapped/)
  t.match(await deployOf('one.json', 'one.wasm'), /This file is JSON/)
  writeFileSync(path.join(folder, 'cut.wasm'), code.slice(0, -3))
  t.match(await deployOf('one.cbor', 'cut.wasm'), /UNEXPECTED_END at byte \d+.*MODULE_REFUSED/)
  t.match(
    (await rule('deploy', 'acme/none', ...asVendor)).errors,
    /This installation has .*ward\/sepsis-screen/,
  )
  t.match((await rule('deploy', '../one', ...asVendor)).errors, /vendor\/name.*USAGE/)
  t.match((await rule('activate', 'acme/one@1.0.0', ...asAdmin)).errors, /active already.*ALREADY_ACTIVE/)
  t.match((await rule('lift', 'acme/one', ...asAdmin)).errors, /NOT_QUARANTINED/)
  const noYes = await rule('activate', 'acme/one@1.0.0', '--as', 'Test admin')
  t.equal(noYes.status, 1, 'nothing is signed without an answer')
  t.throws(() => timeOf('2026-11-23T03:00:00', 0), { code: 'TIME_MALFORMED' }, 'a zone is needed')
  t.throws(() => timeOf('1970-01-01T00:00:00Z', 1), { code: 'TIME_PAST' })
  t.equal(timeOf('+30m', 1_000), 1_801_000)
})

t.test('two aliases switch together and go back together; dependants are shown', async (t) => {
  const caller = await ship('acme/two', '1.0.0', { calls: ['acme/one'] })
  await signed('admin', activateCall([caller]))
  const later = await ship('acme/one', '1.1.0')
  await ship('acme/two', '1.1.0', { calls: ['acme/one'] })
  const prepared = await single.node.prepare(await single.signIn('admin'), activateCall([later]))
  t.match(prepared.ok && prepared.value.summary, [
    { label: 'Action' },
    { label: 'Addresses', text: `acme/one@1.1.0 (${later})` },
    { label: 'At' },
    { label: 'acme/one is called by', text: `acme/two@1.0.0 (${caller})` },
  ])
  const both = await rule('activate', 'acme/one@1.1.0', 'acme/two@1.1.0', ...asAdmin)
  t.equal(both.status, 0, both.errors)
  const touched = `called by: acme/two@1.0.0 ${caller.slice(0, 16)}`
  t.ok(both.output.includes(touched), 'who is touched is listed before signing')
  t.match(both.output, /layout 1 as before: it can be rolled back/)
  t.same([await activeOf('acme/one'), await activeOf('acme/two')], ['1.1.0', '1.1.0'])
  const back = await rule('rollback', 'acme/one', 'acme/two', '--json', ...asAdmin)
  t.equal(back.status, 0, back.errors)
  t.match(JSON.parse(back.output), {
    switches: [
      { alias: 'acme/one', version: '1.0.0', dependants: [{ alias: 'acme/two', version: '1.1.0' }] },
      { alias: 'acme/two', version: '1.0.0', address: caller, dependants: [] },
    ],
  })
  t.same([await activeOf('acme/one'), await activeOf('acme/two')], ['1.0.0', '1.0.0'])
})

t.test('a planned activation survives a restart of the node and happens at its time', async (t) => {
  const planned = await rule('activate', 'acme/one@1.1.0', '--at', '+4s', ...asAdmin)
  t.equal(planned.status, 0, planned.errors)
  const waiting = await client.versions('acme/one')
  const isPlanned = waiting.ok && waiting.value.schedules.length === 1
  // A machine that is very busy may have reached the time already.
  if (isPlanned) t.equal(waiting.value.aliases[0].versions.find(({ active }) => active)?.version, '1.0.0')
  await api.close()
  await single.restart()
  await serve()
  const deadline = Date.now() + 180_000
  while ((await activeOf('acme/one')) !== '1.1.0' && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  t.equal(await activeOf('acme/one'), '1.1.0', 'nobody signed anything at that moment')
  const answer = await client.versions()
  t.same(answer.ok && answer.value.schedules, [])
})

t.test('a plan can be cancelled, and one that is refused when it is due stays to be seen', async (t) => {
  const known = await client.versions('acme/one')
  const address = known.ok ? known.value.aliases[0].versions[0].address : ''
  await signed('admin', activateCall([address], Date.now() + 3_600_000))
  const first = await client.versions()
  const [schedule] = first.ok ? first.value.schedules : []
  t.match((await rule('versions')).output, /of acme\/one@1\.0\.0 \S+ is planned for .* \(by Test admin\)/)
  const cancelled = await rule('cancel', schedule.schedule.slice(0, 12), ...asAdmin)
  t.equal(cancelled.status, 0, cancelled.errors)
  // The approval must be gone before the time has come: a busy machine gets more time.
  let due = 0
  for (let waitMs = 2_000; single.node.status().blockTime >= due; waitMs *= 3) {
    await signed('admin', approveCall(address))
    due = Date.now() + waitMs
    await signed('admin', activateCall([address], due))
    await signed('admin', withdrawCall(address))
  }
  const deadline = Date.now() + 180_000
  while (single.node.status().blockTime < due && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.match((await rule('versions')).output, /was REFUSED when it was due/)
})

t.test('a newer layout is told before signing, and cannot be rolled back', async (t) => {
  await ship('acme/one', '2.0.0', { migrateVersion: 2, tables: [] })
  const switched = await rule('activate', 'acme/one@2.0.0', ...asAdmin)
  t.equal(switched.status, 0, switched.errors)
  migration = /^transaction ([0-9a-f]{64})$/m.exec(switched.output)?.[1] ?? ''
  t.match(switched.output, /layout 1 to 2, with a migration: it cannot be rolled back, only forward/)
  const back = await rule('rollback', 'acme/one', ...asAdmin)
  t.equal(back.status, 1)
  t.match(back.errors, /LAYOUT_REFUSED/)
  t.match((await rule('versions', 'acme/one')).output, /1\.1\.0 .*answers as of height \d+/)
  const answer = await client.versions()
  t.ok(answer.ok)
  if (answer.ok) t.throws(() => former(answer.value, 'acme/one'), { code: 'LAYOUT_REFUSED' })
})

t.test('a former version answers over the API by name and by address, and says since when', async (t) => {
  const old = await shipContract(kept('1.0.0', 1))
  await signed('admin', activateCall([old]))
  const patient = '44'.repeat(16)
  await single.sign(await single.signIn('nurse'), admissionOf(patient))
  const args = JSON.stringify({ patient })
  const ask = (target: string, method: string, as: string): Promise<Ended> =>
    ward(['view', target, method, args, '--as', as, '--api', api.url])
  const live = await ask('acme/kept', 'seen', 'Test nurse')
  t.equal(live.status, 0, live.errors)
  t.match(
    live.output,
    /^\{"count":7\}\nseen of acme\/kept@1\.0\.0 \S+ \(the active version\).*\nAll tables/,
  )

  const next = await shipContract(kept('2.0.0', 2))
  const { height, blockTime } = await single.sign(await single.signIn('admin'), activateCall([next]))
  const said = await ask(old.slice(0, 12), 'seen', 'Test nurse')
  t.match(
    said.output,
    /NOT CURRENT: acme\/kept@1\.0\.0 answered from .* since block \d+ \(20\d\d-/,
    said.errors,
  )
  // A later block: the time is that of the switch, not of the question.
  await single.sign(await single.signIn('nurse'), pulseOf(patient))
  const since = { height, time: blockTime }
  for (const target of ['acme/kept@1.0.0', old]) {
    const former = await viewOf('nurse', target, 'seen', { patient })
    t.match(former, { address: old, active: false, returned: { count: 7 }, frozenSince: since })
    t.match(former, { frozen: [{ alias: 'acme/kept', version: '1.0.0', address: old, ...since }] })
  }
  const now = await viewOf('nurse', 'acme/kept', 'seen', { patient })
  t.match(now, { address: next, active: true, frozenSince: null, frozen: [] })
})

const viewOf = async (role: 'nurse' | 'admin', target: string, method: string, args: Json) => {
  const answer = await single.node.view(await single.signIn(role), { target, method, args })
  return answer.ok ? answer.value : answer.code
}

t.test('a view shows nobody what they may not read, not even why it failed', async (t) => {
  const patient = '44'.repeat(16)
  const ask = async (role: 'nurse' | 'admin', method: string, args: Json, target = 'acme/kept@1.0.0') => {
    const answer = await viewOf(role, target, method, args)
    return typeof answer === 'string' ? answer : 'OK'
  }
  t.equal(await ask('nurse', 'seen', { patient }), 'OK')
  t.equal(await ask('admin', 'seen', { patient }), 'READ_NOT_GRANTED')
  t.equal(
    await ask('admin', 'all', {}),
    'READ_NOT_GRANTED',
    'rows of nobody in particular may be of anybody',
  )
  t.equal(await ask('nurse', 'all', {}), 'OK', 'who may read of any patient may see them')
  t.equal(await ask('nurse', 'fails', { patient }), 'TRAPPED')
  t.equal(await ask('admin', 'fails', { patient }), 'READ_NOT_GRANTED')
  t.equal(await ask('nurse', 'migrate', {}), 'METHOD_UNKNOWN', 'what is no view is not run')
  t.equal(await ask('nurse', 'seen', { patient: 'aa' }), 'REQUEST_MALFORMED')
  t.equal(await ask('nurse', 'seen', { patient }, 'acme/kept@9.9.9'), 'CONTRACT_UNKNOWN')
  t.equal(await ask('nurse', 'seen', { patient }, 'ab'.repeat(32)), 'CONTRACT_UNKNOWN')
  const stranger = await client.view({ target: 'acme/kept', method: 'seen', args: { patient } })
  t.match(stranger, { ok: false, code: 'SESSION_REQUIRED' })
})

t.test(
  'a rule that fails for several sources and patients is quarantined, and everyone is told',
  async (t) => {
    const subscriptions = [{ kind: recordKind.observation, codes: ['8867-4'], method: 'on', priority: 1 }]
    const methods = [{ name: 'on', kind: 'record' as const, fuel: 1_000_000, input: none, output: none }]
    const broken = version('acme/broken', '1.0.0', { subscriptions, methods })
    const address = await shipContract({ manifest: broken.manifest, code: brokenCode })
    await signed('admin', activateCall([address]))
    const role = { entity: single.persons.vendor, role: 'nurse' }
    await signed('admin', { type: 'call', target: 'ward/policy', method: 'assignRole', args: role })
    const patients = ['11', '22', '33'].map((byte) => byte.repeat(16))
    const nurse = await single.signIn('nurse')
    for (const patient of patients) await single.sign(nurse, admissionOf(patient))
    const quarantined = (): string[] => single.node.status().quarantined.map(({ alias }) => alias)
    let run = ''
    for (const [index, person] of (['nurse', 'doctor', 'vendor'] as const).entries()) {
      t.same(quarantined(), [], 'not by one or two sources')
      const receipt = await single.sign(await single.signIn(person), pulseOf(patients[index]))
      t.equal(receipt.code, 'OK', 'the reading stands')
      t.equal(receipt.derived?.[0].code, 'TRAPPED')
      run = receipt.derived?.[0].transactionId ?? ''
    }
    t.same(quarantined(), ['acme/broken'])
    t.match(await single.node.metrics(), /^wardchain_rule_quarantined\{alias="acme\/broken"\} 1$/m)
    t.same(single.node.health(), { healthy: true, detail: 'running; RULE_QUARANTINED: acme/broken' })
    const status = await ward(['status', '--api', api.url])
    t.match(
      status.output,
      /QUARANTINE {2}acme\/broken does not run since 20[\s\S]*ward rule lift acme\/broken/,
    )
    // Why it fails: its run again, through the local API.
    const why = await ward(['replay', run, '--as', 'Test vendor', '--api', api.url])
    t.equal(why.status, 0, why.errors)
    t.match(why.output, /nobody signed it: acme\/broken\.on[\s\S]*TRAPPED[\s\S]*the identical receipt/)
    const shown = await ward(['tx', 'show', run, '--as', 'Test vendor', '--json', '--api', api.url])
    t.match(JSON.parse(shown.output), { transactionId: run, identical: true }, shown.errors)
    t.match((await rule('versions', 'acme/broken')).output, /QUARANTINED since/)
    await api.close()
    await single.node.close()
    const offline = ['replay', run, '--dir', single.folder, '--offline', '--json']
    const opened = await ward(offline, `${Buffer.from(storePassword).toString()}\n`)
    t.match(JSON.parse(opened.output), { transactionId: run, identical: true }, opened.errors)
    await single.restart()
    await serve()
    t.same(quarantined(), ['acme/broken'], 'also after a restart')
    const again = await single.sign(await single.signIn('nurse'), pulseOf(patients[0]))
    t.equal(again.derived?.[0].code, 'RULE_QUARANTINED')
    const lifted = await rule('lift', 'acme/broken', ...asAdmin)
    t.equal(lifted.status, 0, lifted.errors)
    t.match(lifted.output, /^transaction [0-9a-f]{64}$/m)
    t.same(quarantined(), [])
    t.notMatch(await single.node.metrics(), /^wardchain_rule_quarantined\{/m)
  },
)

t.test('what ran here runs again on the state of its time, and says the same', async (t) => {
  const shipped: string[] = []
  for (const contract of replayContracts) shipped.push(await shipContract(genesisContract(contract)))
  await signed('admin', activateCall(shipped))
  const { before, tick, heavy, runs, after } = await makeHistory(single, shipped, signed)
  const isHere = new Set(heavy.derived?.map(({ transactionId }) => transactionId))
  const carried = runs.filter((id) => !isHere.has(id))
  t.ok(carried.length > 0 && isHere.size + carried.length === runs.length, `${carried.length} carried over`)
  t.match(await foundLater(single, carried[0]), { height: heavy.height + 1, cause: heavy.transactionId })
  t.match(await foundLater(single, tick), { code: 'OK', target: 'acme/clock.tick' })
  must(await client.signIn(single.persons.nurse, personPassword.slice()))
  for (const id of [before, heavy, after]
    .map(({ transactionId }) => transactionId)
    .concat(tick, carried[0])) {
    const { receipt, replayed, ...view } = await askedFor(id)
    t.same([view.identical, view.differences], [true, []])
    t.same({ ...receipt, derived: undefined }, { ...replayed, derived: undefined })
    const kept = await foundLater(single, id)
    t.match({ ...kept, derived: undefined }, { ...receipt, derived: undefined }, 'what the chain keeps')
    t.equal(view.fuelSchedule, id === after.transactionId ? 3 : 2)
    const [left] = view.steps.filter(({ type, depth }) => type === 'leave' && depth === 0).slice(-1)
    if (view.signed?.action.type !== 'append') t.match(left, { fuelUsed: receipt.fuelUsed })
  }
  t.equal(after.fuelUsed - before.fuelUsed, 20_000, 'a page costs more from the switch on')

  // The commands: what was signed, its activation with a migration, and the frames of what nobody signed.
  const asked = async (...args: string[]): Promise<string> => {
    const ended = await ward([...args, '--api', api.url])
    t.equal(ended.status, 0, ended.errors)
    t.match(ended.output, /: the identical receipt, as certified/)
    return ended.output
  }
  const switched = await asked('replay', migration, '--as', 'Test admin')
  t.match(switched, /calls ward\/governance\.activate with \{"addresses":\["[0-9a-f]{64}"\],"at":"0"\}/)
  t.match(switched, /^ {2}-> ward\/governance \S+ activate \[call\] at \S+, may use [\d,]+ fuel$/m)
  t.match(switched, /^ {4}-> ward\/policy \S+ mayCall \[call, read only\]/m)
  const args = String.raw`args \{"caller":"[0-9a-f]{64}","target":"ward/governance","method":"activate"\}`
  t.match(switched, new RegExp(String.raw`contract_call\(target ward/policy, method mayCall, ${args}`))
  t.match(switched, /^ {4}<- OK, used [\d,]+ fuel, returns \{"allowed":true,/m)
  t.match(switched, /kernel_command\(command \{"hidden":"\d+ bytes"\}\) = 0 \([\d,]+ fuel left\)/)
  const activation = /caused ([0-9a-f]{64}): acme\/one\.activate OK/.exec(switched)?.[1] ?? ''
  const shown = await asked('tx', 'show', activation, '--as', 'Test admin')
  t.match(shown, /nobody signed it: acme\/one\.activate[\s\S]*-> acme\/one 2\.0\.0 migrate/)
  t.match(
    await asked('replay', tick, '--as', 'Test nurse'),
    /tick \[timer\][^]*input \{"note":"look again"\}/,
  )

  await api.close()
  await single.node.close()
  const offline = (id: string, ...more: string[]): Promise<Ended> =>
    ward(
      ['replay', id, '--dir', single.folder, '--offline', ...more],
      `${Buffer.from(storePassword).toString()}\n`,
    )
  for (const [id, fuelSchedule] of [
    [activation, 2],
    [carried[0], 2],
  ] as const) {
    const ended = await offline(id, '--json')
    t.equal(ended.status, 0, ended.errors)
    t.match(JSON.parse(ended.output), { transactionId: id, identical: true, fuelSchedule })
  }
  // The node's housekeeping takes old blocks away; those above still run again.
  await pruneBelow(single, before.height + 1)
  const gone = await offline(before.transactionId)
  t.equal(gone.status, 1)
  const why = new RegExp(
    `no longer has what it takes.*block ${before.height}; kept from block ${before.height + 1} on`,
  )
  t.match(gone.errors, why)
  t.match(gone.errors, /REPLAY_UNAVAILABLE/)
  await single.restart()
  await serve()
  must(await client.signIn(single.persons.nurse, personPassword.slice()))
  t.match(await client.replay(before.transactionId), { ok: false, code: 'REPLAY_UNAVAILABLE' })
  t.equal((await askedFor(tick)).identical, true)
})

/** Asked through the local API by the person who is signed in there, until the node has rested. */
async function askedFor(id: string): Promise<ReplayView> {
  for (;;) {
    const answer = await client.replay(id)
    if (answer.ok || answer.code !== 'REPLAY_BUSY') return must(answer).replay
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
