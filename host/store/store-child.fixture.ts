// A process of its own that writes to a store until it is killed or fails; the tests are its parent.
// Arguments: folder, mode. Lines on stdout are acknowledgements, written after the call returned.
//   loop   "v <height>" after a vote is durable, "b <height> <root hex>" after a block is
//   full   until a write fails: "failed <code> <height>", then waits for a line on stdin, applies one more
// block: "again"
//   damage opens the store and reads everything: "ok", "code <code>" or "wrong <what>"
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { openKeyslot, openVotesStore, type DataKey } from './index.js'
import {
  applyNext,
  bodyContent,
  openBed,
  password,
  patientOf,
  utf8,
  type Bed,
} from './chain-store.fixture.js'
import { sha256 } from './sodium.js'

const say = (line: string): void => void writeSync(1, `${line}\n`)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const [folder, mode] = process.argv.slice(2)
const dataKey = await openKeyslot(join(folder, 'keyslots'), password)
if (mode === 'loop') loop(dataKey)
if (mode === 'full') await fillUp(dataKey)
if (mode === 'damage') readAll(dataKey, Number(process.argv[4]))

function loop(dataKey: DataKey): void {
  const votes = openVotesStore(folder, dataKey)
  const bed = openBed(folder, dataKey)
  say('ready')
  for (;;) {
    const height = (bed.store.applied()?.height ?? -1) + 1
    const body = { hash: sha256(utf8(`body ${height}`)), bytes: utf8(`body ${height}`) }
    votes.persist({ record: utf8(`vote ${height}`), put: [body], drop: [] })
    say(`v ${height}`)
    const block = applyNext(bed, 30)
    say(`b ${height} ${hex(block.stateRoot)}`)
  }
}

async function fillUp(dataKey: DataKey): Promise<void> {
  const bed = openBed(folder, dataKey)
  for (;;) {
    try {
      applyNext(bed, 200)
    } catch (error) {
      say(`failed ${(error as { code: string }).code} ${bed.store.applied()?.height}`)
      break
    }
  }
  // Reads go on.
  say(`read ${Buffer.from(bed.store.get('ward/policy', utf8('head')) ?? []).toString()}`)
  await new Promise((resolve) => process.stdin.once('data', resolve))
  applyNext(bed, 1)
  say(`again ${bed.store.applied()?.height}`)
  await bed.store.close()
  process.exit(0)
}

function readAll(dataKey: DataKey, height: number): void {
  try {
    const bed = openBed(folder, dataKey)
    const wrong = firstWrong(bed, height)
    say(wrong === undefined ? 'ok' : `wrong ${wrong}`)
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    say(`code ${code ?? `none: ${message}`}`)
  }
  process.exit(0)
}

/**
 * Reads as the node does: the root is compared with the certified one first, then every value with the
 * tree.
 */
function firstWrong(bed: Bed, height: number): string | undefined {
  const { store, tree } = bed
  const applied = store.applied()
  // The node compares both with the last certificate; here the parent knows the height.
  if (applied?.height !== height || hex(applied.stateRoot) !== hex(tree.root)) return undefined
  store.checkReadsWith(tree)
  for (let at = 0; at <= height; at += 1) {
    const block = store.blockAt(at)
    if (hex(block?.payload ?? utf8('')) !== hex(utf8(`payload ${at}`))) return `block ${at}`
    const value = store.get('$record', utf8(`record ${at}.0`))
    if (hex(value ?? utf8('')) !== hex(utf8(`value ${at}.0`))) return `value ${at}`
    const body = store.patientBody(patientOf(at % 3), sha256(bodyContent(at)))
    if (body.ok && hex(body.value) !== hex(bodyContent(at))) return `body ${at}`
  }
  if (store.get('$record', utf8('never written')) !== undefined) return 'absent key'
  return undefined
}
