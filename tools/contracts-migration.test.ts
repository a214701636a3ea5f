// A migration of a compiled contract: bounded work at the switch, lazy reads, slices by timers, readers of
// the former layout served throughout, and a node that loses its memory in between.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { randomBytes, sha256 } from '../host/keys/crypto.js'
import { createKeyslotFile } from '../host/store/index.js'
import { callView, createModuleCache, versionsOf } from '../runtime/execution/index.js'
import {
  codeOfStatus,
  contractAddress,
  decodeManifest,
  entityKind,
  recordKind,
  type GenesisContract,
} from '../runtime/protocol/index.js'
import { buildContracts } from './build-contracts.js'
import {
  admission,
  ContractChain,
  createSigner,
  decodedAs,
  encoded,
  observation,
  type BlockView,
} from './contract-chain.fixture.js'
import { buildTally, buildTallyReader, tallyAlias } from './example-tally.js'

// Compiling on a busy machine takes longer than the default of 30 seconds.
t.setTimeout(600_000)
await buildContracts({ quiet: true })
const [one, two] = await buildTally()
const readerContract = await buildTallyReader()
const readerAlias = 'example/reader'

const admin = createSigner(entityKind.person, 'admin')
const nurse = createSigner(entityKind.person, 'nurse')
const vendor = createSigner(entityKind.vendor, 'vendor')

function found(): { chain: ContractChain; addresses: Uint8Array[] } {
  for (const signer of [admin, nurse, vendor]) signer.nextSequence = 1
  const system = ['ward-policy', 'ward-governance', 'ward-alerts', 'ward-orders']
  const chain = new ContractChain([admin, nurse, vendor], [], system)
  const addresses = [one, two].map((contract) => ship(chain, contract))
  return { chain, addresses }
}

/** Deployed by the vendor, approved by the administrator. */
function ship(chain: ContractChain, { manifest, code }: GenesisContract, alias = tallyAlias): Uint8Array {
  const names = { manifest: sha256(manifest), code: sha256(code) }
  const deployed = chain.call(vendor, 'ward/governance', 'deploy', names, [manifest, code])
  t.equal(deployed.receipt.status, 0, deployed.receipt.detail ?? 'deployed')
  const hashes = { manifestHash: names.manifest, codeHash: names.code }
  const address = contractAddress(sha256, { chainId: chain.chainId, alias, ...hashes })
  t.equal(chain.call(admin, 'ward/governance', 'approve', { address }).receipt.status, 0)
  return address
}

const activate = (chain: ContractChain, address: Uint8Array): BlockView =>
  chain.call(admin, 'ward/governance', 'activate', { addresses: [address], at: 0n })

function viewOf<T>(
  chain: ContractChain,
  address: Uint8Array,
  method: string,
  value: unknown,
  alias = tallyAlias,
): T & { since?: number } {
  const { manifest } = versionsOf(chain.state, alias).find((version) =>
    sameBytes(version.address, address),
  )!
  const { input, output } = manifest.methods.find(({ name }) => name === method)!
  const call = { target: address, method, args: encoded(input, value) }
  const answer = callView(
    chain.state,
    call,
    { height: chain.height, time: chain.time },
    chain.cache,
    chain.ports,
  )
  if (!answer.ok) throw new Error(`${answer.code} ${answer.detail}`)
  const since = answer.value.frozenSince
  return { ...decodedAs<T>(output, answer.value.returned), ...(since === undefined ? {} : { since }) }
}

const sameBytes = (left: Uint8Array, right: Uint8Array): boolean => Buffer.compare(left, right) === 0
const slicesIn = (view: BlockView): number =>
  view.block.receiptsDecoded.filter(({ target }) => target?.method === 'migrateSlice').length

t.test(
  'counts are right in every block of a migration, and the former version keeps answering',
  async (t) => {
    const { chain, addresses } = found()
    const [first, second] = addresses
    t.equal(activate(chain, first).receipt.status, 0)
    const patients = Array.from({ length: 3 }, () => randomBytes(16))
    for (const patient of patients) chain.append(nurse, patient, [admission()])
    const read = (patient: Uint8Array): BlockView =>
      chain.append(nurse, patient, [observation('8867-4', '70')])
    for (let round = 0; round < 50; round += 1) read(patients[round % 2])
    const untouched = patients[2]
    read(untouched)
    const before = patients.map(
      (patient) => viewOf<{ count: number }>(chain, first, 'count', { patient }).count,
    )
    t.same(before, [25, 25, 1])

    const switched = activate(chain, second)
    t.same(
      switched.block.receiptsDecoded.map(({ status }) => status),
      [0, 0],
      'the switch and its migration',
    )
    const since = chain.height
    t.equal(
      viewOf<{ done: boolean }>(chain, second, 'migrated', {}).done,
      false,
      'the switch copied nothing',
    )
    let slices = 0
    const counts = [25, 25]
    while (!viewOf<{ done: boolean }>(chain, second, 'migrated', {}).done && slices < 20) {
      const patient = slices % 2
      const view = read(patients[patient])
      slices += slicesIn(view)
      counts[patient] += 1
      // A roll-back while slices are still to come: refused, and the migration goes on.
      if (slices === 1) {
        const back = activate(chain, first)
        t.equal(codeOfStatus(back.receipt.status), 'TIMERS_PENDING', 'no way back half way')
        slices += slicesIn(back)
      }
      const judged = view.ruleReceipts(tallyAlias).filter(({ target }) => target?.method === 'onRecords')
      t.same(
        judged.map(({ status, target }) => [status, sameBytes(target!.address, second)]),
        [[0, true]],
      )
      t.equal(
        viewOf<{ count: number }>(chain, second, 'count', { patient: patients[patient] }).count,
        counts[patient],
      )
    }
    t.equal(slices, 4, '51 rows in slices of 20, and one that finds the end')
    t.equal(
      viewOf<{ count: number }>(chain, second, 'count', { patient: untouched }).count,
      1,
      'read through',
    )
    t.same(
      viewOf<{ count: number }>(chain, first, 'count', { patient: patients[0] }),
      { count: 25, since },
      'layout 1 answers as of the switch',
    )
    read(patients[0])
    t.equal(slicesIn(read(patients[0])), 0, 'no timer is left')
    t.equal(
      activate(chain, first).receipt.status,
      133,
      'back is refused: layout 1 knows nothing of what came since',
    )
  },
)

t.test('nothing of a migration lives in memory', async (t) => {
  const fuels = [false, true].map((forgets) => {
    const { chain, addresses } = found()
    const patient = new Uint8Array(16).fill(7)
    activate(chain, addresses[0])
    chain.append(nurse, patient, [admission()])
    for (let round = 0; round < 30; round += 1) chain.append(nurse, patient, [observation('8867-4', '70')])
    activate(chain, addresses[1])
    const used: number[] = []
    for (let round = 0; round < 4; round += 1) {
      if (forgets) Object.assign(chain, { cache: createModuleCache() })
      used.push(chain.append(nurse, patient, [observation('8867-4', '70')]).block.result.fuelUsed)
    }
    t.equal(viewOf<{ done: boolean }>(chain, addresses[1], 'migrated', {}).done, true)
    return used.join()
  })
  t.equal(fuels[0], fuels[1], 'a node that forgets everything between blocks does the same work')
})

type Ending = 'committed' | 'executed' | 'closed'

/** One life of a node on the store in this folder: its lines, until it closes or is killed. */
function live(folder: string, height: number, ending: Ending): Promise<string[]> {
  const program = 'dist/tools/migration-child.fixture.js'
  const child = spawn(process.execPath, [program, folder, String(height), ending])
  return new Promise((resolve, reject) => {
    let [output, errors] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8')
      if (output.endsWith('stands\n')) child.kill('SIGKILL')
    })
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')))
    child.on('error', reject)
    child.on('close', (status, signal) => {
      const asWanted = ending === 'closed' ? status === 0 : signal === 'SIGKILL'
      if (asWanted) resolve(output.split('\n').filter((line) => /^(open|block) /.test(line)))
      else reject(new Error(`${ending}: ${status} ${signal} ${errors}`))
    })
  })
}

t.test('a node killed between slices and within one goes on at the right row', async (t) => {
  const { chain, addresses } = found()
  const patient = new Uint8Array(16).fill(7)
  const roots = [chain.stateRoot]
  // Blocks of `found` are there already; their roots are compared through those that follow.
  const since = chain.height
  const note = (): void => void roots.push(chain.stateRoot)
  activate(chain, addresses[0])
  note()
  chain.append(nurse, patient, [admission()])
  note()
  for (let round = 0; round < 50; round += 1) {
    chain.append(nurse, patient, [observation('8867-4', '70')])
    note()
  }
  activate(chain, addresses[1])
  note()
  const slices: number[] = []
  const isMigrated = (): boolean => viewOf<{ done: boolean }>(chain, addresses[1], 'migrated', {}).done
  while (!isMigrated() && chain.height < since + 80) {
    if (slicesIn(chain.append(nurse, patient, [observation('8867-4', '70')])) > 0) slices.push(chain.height)
    note()
  }
  t.equal(slices.length, 4, '50 rows in slices of 20, and one that finds the end')
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-migration-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(path.join(folder, 'chain'))
  writeFileSync(path.join(folder, 'genesis.cbor'), chain.genesis)
  const cost = { passes: 1, memoryKiB: 64 }
  const dataKey = await createKeyslotFile(path.join(folder, 'keyslots'), Buffer.from('a test'), { cost })
  writeFileSync(path.join(folder, 'data-key'), dataKey.toBytes())
  dataKey.close()
  writeFileSync(path.join(folder, 'blocks.json'), JSON.stringify(chain.blocks))

  const rootAt = (height: number): string => roots[height - since]
  const lines = (word: string, from: number, to: number): string[] =>
    Array.from({ length: to - from + 1 }, (_, index) => `${word} ${from + index} ${rootAt(from + index)}`)
  const begun = await live(folder, slices[0], 'committed')
  t.same(begun.slice(1 + since), lines('block', since + 1, slices[0]), 'one slice is done')
  const cut = await live(folder, slices[1], 'executed')
  t.same(cut, [...lines('open', slices[0], slices[0]), ...lines('block', slices[0] + 1, slices[1] - 1)])
  const again = await live(folder, slices[1], 'committed')
  t.same(again, [...lines('open', slices[1] - 1, slices[1] - 1), ...lines('block', slices[1], slices[1])])
  const whole = await live(folder, chain.height, 'closed')
  t.same(whole, [...lines('open', slices[1], slices[1]), ...lines('block', slices[1] + 1, chain.height)])
  t.equal(viewOf<{ count: number }>(chain, addresses[1], 'count', { patient }).count, 50 + slices.length)
})

t.test('the second layout leaves the tables of the first alone', async (t) => {
  const decoded = [one, two].map(({ manifest }) => decodeManifest(manifest))
  t.same(
    decoded.map((each) => each.ok && each.value.migrateVersion),
    [1, 2],
  )
  const { chain, addresses } = found()
  const patient = randomBytes(16)
  activate(chain, addresses[0])
  chain.append(nurse, patient, [admission()])
  chain.append(nurse, patient, [observation('8867-4', '70')])
  activate(chain, addresses[1])
  const view = chain.append(nurse, patient, [observation('8867-4', '71')])
  t.equal(view.made(recordKind.alert).length, 0)
  const written = view.block.writeSet.state.filter(({ store }) => store === tallyAlias)
  t.ok(written.length > 0)
  // A point key is 0 ‖ table u8 ‖ key, an ordered one 1 ‖ table u8 ‖ ...: the table is the second byte.
  t.same(
    written.filter(({ key }) => key[1] < 11),
    [],
    'tables 1 and 2 are not written',
  )
})

t.test('a contract asks one version by its address, learns its age, and catches what fails', async (t) => {
  const { chain, addresses } = found()
  const reader = ship(chain, readerContract, readerAlias)
  const patient = randomBytes(16)
  activate(chain, addresses[0])
  activate(chain, reader)
  chain.append(nurse, patient, [admission()])
  chain.append(nurse, patient, [observation('8867-4', '70')])
  type Answer = { code: number; count: number; frozenSince: bigint }
  const ask = (address: Uint8Array, method = 'count'): Answer => {
    const { code, count, frozenSince } = viewOf<Answer>(
      chain,
      reader,
      'ask',
      { address, method, patient },
      readerAlias,
    )
    return { code, count, frozenSince }
  }
  t.same(ask(addresses[0]), { code: 0, count: 1, frozenSince: 0n })
  activate(chain, addresses[1])
  const since = BigInt(chain.height)
  chain.append(nurse, patient, [observation('8867-4', '71')])
  t.same(
    ask(addresses[0]),
    { code: 0, count: 1, frozenSince: since },
    'the former version, as of the switch',
  )
  t.same(ask(addresses[1]), { code: 0, count: 2, frozenSince: 0n })
  t.equal(ask(reader, 'ask').code, 113, 're-entry is an error that can be caught')
  t.equal(ask(randomBytes(32)).code, 105, 'no such version')
  t.equal(ask(addresses[1], 'nothing').code, 106)
})
