// One flipped byte in every region of every file of a real node: never a wrong answer, never a loop of
// crashes, always a code with a sentence; and with the byte put right the node goes on.
// `WARD_DAMAGE_ROUNDS` is the number of rounds (`npm run store-rounds` takes 240).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { bytesToHex, errorTable } from '../../runtime/protocol/index.js'
import { nodeErrorSentences } from './node-error.js'
import { createSingleNode, type SingleNode } from './single-node.fixture.js'

const rounds = Number(process.env['WARD_DAMAGE_ROUNDS'] ?? 8)
t.setTimeout(180_000 + 30_000 * rounds)
const child = new URL('./damage-child.fixture.js', import.meta.url).pathname
const pageBytes = 4_096

/** Numbers from a fixed seed: a failing run can be repeated. */
function createRandom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

async function start(folder: string, args: readonly string[]): Promise<string> {
  const node = spawn(process.execPath, [child, folder, ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  const lines: string[] = []
  createInterface(node.stdout).on('line', (line) => lines.push(line))
  const [code, signal] = (await once(node, 'close')) as [number | null, string | null]
  return lines[0] ?? `died of ${signal ?? code}`
}

interface Region {
  file: string
  name: string
  at: (random: (below: number) => number) => number
}

const pageKinds: Record<number, string> = { 1: 'branch', 2: 'leaf', 4: 'overflow', 8: 'meta' }

/** Every kind of page of an LMDB file in three parts, and every small file in four. */
function regionsOf(folder: string, file: string): Region[] {
  const bytes = readFileSync(path.join(folder, file))
  if (!file.endsWith('.lmdb')) {
    return [0, 1, 2, 3].map((quarter) => ({
      file,
      name: `quarter ${quarter}`,
      at: (random) =>
        Math.min(bytes.length - 1, Math.floor(((quarter + random(1_000) / 1_000) * bytes.length) / 4)),
    }))
  }
  const byKind = new Map<string, number[]>()
  for (let page = 0; page * pageBytes < bytes.length; page += 1) {
    const kind = pageKinds[bytes.readUInt16LE(page * pageBytes + 18) & 0xff] ?? 'inner'
    byKind.set(kind, [...(byKind.get(kind) ?? []), page])
  }
  const parts: [string, number, number][] = [
    ['head', 0, 24],
    ['places', 24, 64],
    ['content', 64, pageBytes],
  ]
  return [...byKind].flatMap(([kind, pages]) =>
    parts.map(([part, from, to]) => ({
      file,
      name: `${part} of a ${kind} page`,
      at: (random) => pages[random(pages.length)] * pageBytes + from + random(to - from),
    })),
  )
}

/** The code that a person is told, and every code in the words behind it, has a sentence somewhere. */
const storeCodes = new Set(
  [...readFileSync('host/store/README.md', 'utf8').matchAll(/^\| `([A-Z_]+)`/gm)].map(([, code]) => code),
)
function hasSentence(told: string): boolean {
  const [, code = '', ...words] = told.split(' ')
  const inside = words.join(' ').match(/\b[A-Z]+(?:_[A-Z]+)+\b/g) ?? []
  return [code, ...inside].every((name) => isKnown(name))
}
const isKnown = (code: string): boolean =>
  code in errorTable || code in nodeErrorSentences || storeCodes.has(code)

t.test('a code without a sentence does not pass for one that has it', (t) => {
  t.ok(storeCodes.size >= 20, 'the table of the store')
  for (const told of [
    'refused STORE_DAMAGED a page is cut',
    'refused UNLOCK_DAMAGED_STORE RECORD_ALTERED: 02ab',
    'refused CONFIG_MALFORMED node.json, see README',
  ])
    t.ok(hasSentence(told), told)
  for (const told of [
    'refused NO_SUCH_CODE a page is cut',
    'refused STORE_DAMAGED because of MDB_CORRUPTED',
    'refused undefined',
    'refused a page is cut',
    'refused',
  ])
    t.notOk(hasSentence(told), told)
  t.end()
})

async function grow(single: SingleNode): Promise<string[]> {
  const nurse = await single.signIn('nurse')
  const ids: string[] = []
  for (let number = 0; number < 6; number += 1) {
    const body = {
      family: `Family ${number}`,
      given: 'Given',
      birthDate: 19970214,
      sex: 'F',
      pregnancy: 0,
      identifiers: [],
      ward: '4',
      room: String(number),
      bed: 'A',
      visitNumber: String(number),
      reason: 'x'.repeat(3_000),
    }
    const patient = bytesToHex(new Uint8Array(16).fill(number + 1))
    const record = { kind: 'admission' as const, patient, code: 'ADT^A01', body }
    const receipt = await single.sign(nurse, { type: 'append', records: [record] })
    if (receipt.code !== 'OK') throw new Error(receipt.code)
    ids.push(receipt.transactionId)
  }
  return ids
}

t.test(`${rounds} flipped bytes: never a wrong answer, and a node that can go on`, async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const ids = await grow(single)
  await single.node.close()
  const { folder } = single
  const args = [single.persons.nurse, ...ids]
  const truth = await start(folder, args)
  t.match(truth, /^ok [0-9a-f]{64}$/, 'a whole folder gives everything')
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const files = names.filter(
    (name) => statSync(path.join(folder, name)).isFile() && !/-lock$|\.crashes$/.test(name),
  )
  const regions = files
    .filter((name) => statSync(path.join(folder, name)).size > 0)
    .flatMap((name) => regionsOf(folder, name))
  t.ok(regions.length >= 40, `${regions.length} regions of ${files.length} files`)
  const random = createRandom(Number(process.env['WARD_SEED'] ?? 1))
  const step = rounds >= regions.length ? 1 : Math.floor(regions.length / rounds)
  const outcomes = new Map<string, number>()
  for (let round = 0; round < rounds; round += 1) {
    const region = regions[(round * step) % regions.length]
    const copy = path.join(folder, '..', `copy ${round}`)
    cpSync(folder, copy, { recursive: true })
    const target = path.join(copy, region.file)
    const bytes = readFileSync(target)
    const at = region.at(random)
    const mask = 1 << random(8)
    bytes[at] ^= mask
    writeFileSync(target, bytes)
    const place = `${region.file}, ${region.name}, byte ${at}, mask ${mask}`
    let told = await start(copy, args)
    // A process that the engine ended is started again by its supervisor, which must not go on for ever.
    for (let again = 0; told.startsWith('died') && again < 3; again += 1) {
      outcomes.set(told, (outcomes.get(told) ?? 0) + 1)
      told = await start(copy, args)
    }
    if (told.startsWith('ok') ? told !== truth : !told.startsWith('refused')) t.fail(`${place}: ${told}`)
    if (told.startsWith('refused')) t.ok(hasSentence(told), `${place}: ${told.slice(0, 90)}`)
    const kind = told.startsWith('ok')
      ? 'no effect'
      : (told.match(/[A-Z][A-Z_]{5,}/g) ?? ['?']).slice(0, 2).join(' ')
    outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1)
    if (told.startsWith('refused')) {
      // The cause is removed: the one byte is put right, or, when the engine wrote meanwhile and may have
      // copied the page with it, the file is put back.
      const mended = readFileSync(target)
      if (mended.equals(bytes)) {
        mended[at] ^= mask
        writeFileSync(target, mended)
      } else cpSync(path.join(folder, region.file), target)
      t.equal(await start(copy, args), truth, `${place}: mended`)
    }
    rmSync(copy, { recursive: true })
  }
  t.comment([...outcomes].map(([outcome, count]) => `${outcome}: ${count}`).join(', '))
})
