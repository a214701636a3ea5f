// After sealing, no key of the node is left in this process: neither in locked memory nor as a copy that
// somebody forgot. All writable memory is searched, for which Linux gives each process a view of itself.
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { seedOf } from '../keys/crypto.js'
import { createSingleNode } from './single-node.fixture.js'
import type { Sessions } from './sessions.js'
import type { Unsealed } from './unsealed.js'

t.setTimeout(600_000)
const isLinux = existsSync('/proc/self/mem')

/** What is searched for is kept under a mask: the search must not find itself. */
const mask = 0x5a
interface Needle {
  name: string
  masked: Uint8Array
}
const needleOf = (name: string, bytes: Uint8Array): Needle => {
  const masked = new Uint8Array(new ArrayBuffer(bytes.length))
  for (let index = 0; index < bytes.length; index += 1) masked[index] = bytes[index] ^ mask
  return { name, masked }
}

const chunkBytes = 2 ** 20
const overlapBytes = 64

/** Names of what is found. Pages without access rights (locked secrets at rest) are left out. */
function found(needles: readonly Needle[]): string[] {
  const memory = openSync('/proc/self/mem', 'r')
  const chunk = Buffer.alloc(chunkBytes)
  const names = new Set<string>()
  try {
    for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []
      if (from === undefined || to === undefined) continue
      const end = Number.parseInt(to, 16)
      for (let at = Number.parseInt(from, 16); at < end; at += chunkBytes - overlapBytes) {
        const read = readSome(memory, chunk, Math.min(chunkBytes, end - at), at)
        for (const needle of needles) if (holds(chunk.subarray(0, read), needle)) names.add(needle.name)
      }
    }
  } finally {
    closeSync(memory)
    chunk.fill(0)
  }
  return [...names]
}

/** Another thread may have given these pages back meanwhile. */
function readSome(memory: number, chunk: Buffer, count: number, at: number): number {
  try {
    return readSync(memory, chunk, 0, count, at)
  } catch {
    return 0
  }
}

/** The engine finds the first bytes, quickly; alone they are no key. */
const anchorBytes = 4

function holds(bytes: Buffer, { masked }: Needle): boolean {
  const anchor = Buffer.from(masked.subarray(0, anchorBytes).map((byte) => byte ^ mask))
  for (let at = bytes.indexOf(anchor); at >= 0; at = bytes.indexOf(anchor, at + 1)) {
    let same = anchorBytes
    while (same < masked.length && (bytes[at + same] ^ mask) === masked[same]) same += 1
    if (same === masked.length) return true
  }
  return false
}

async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let round = 0; round < 5; round += 1) {
    collect()
    // The collector moves small things: where they lay before, new ones are put.
    for (let count = 0; count < 200_000; count += 1) new Uint8Array(48)[0] = round
    await new Promise((resolve) => setImmediate(resolve))
  }
}

t.test(
  'a sealed node holds none of its keys',
  { skip: isLinux ? false : 'there is no /proc' },
  async (t) => {
    const single = await createSingleNode()
    t.teardown(() => single.close())
    const session = await single.signIn('nurse')
    const { unsealed, sessions } = single.node as unknown as { unsealed: Unsealed; sessions: Sessions }
    const needles: Needle[] = []
    const { base, epochs } = unsealed.dataKey.secrets()
    base.use((bytes) => needles.push(needleOf('base secret', bytes)))
    epochs.get(0)?.use((bytes) => needles.push(needleOf('secret of the epoch', bytes)))
    const { vote, transport } = unsealed.node.identity
    needles.push(needleOf('vote key', seedOf(vote)), needleOf('transport key', seedOf(transport)))
    const nurse = sessions.find(session.token)
    if (nurse) needles.push(needleOf('key of the nurse', seedOf(nurse.key)))
    t.equal(needles.length, 5)
    const before = found(needles)
    t.ok(
      before.includes('vote key') && before.includes('key of the nurse'),
      'the search finds what is there',
    )
    t.notOk(before.includes('base secret'), 'the data key lies behind pages without access')

    single.node.signOut(session.token)
    await collectGarbage()
    t.notOk(found(needles).includes('key of the nurse'), 'signing out destroys the key')
    await single.node.seal()
    await collectGarbage()
    t.same(found(needles), [])
  },
)
