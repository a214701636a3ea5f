// Nothing readable on disk. The control run writes the same content without sealing and must be found.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { open } from 'lmdb'
import { openVotesStore, writeSealedFile } from './index.js'
import {
  applyNext,
  bodyText,
  buildBlock,
  createBed,
  password,
  temporaryFolder,
  utf8,
} from './chain-store.fixture.js'

/** Values, keys, store names and the password; long enough not to occur by chance. */
const secrets = [
  bodyText(3),
  'purulent drainage',
  'record 3.1',
  'value 3.1',
  'ward/policy',
  'ward/alerts',
  '$record',
  'head at',
  'receipt 2.0',
  'certificate 2',
  'vote of mine',
  'identity key of the node',
  'a long note',
  password.toString(),
]

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
}

function hits(folder: string): string[] {
  const found: string[] = []
  for (const path of filesUnder(folder)) {
    const bytes = readFileSync(path)
    for (const secret of secrets) {
      for (const encoding of ['utf8', 'utf16le', 'hex', 'base64'] as const) {
        const needle =
          encoding === 'hex' || encoding === 'base64' ? Buffer.from(secret).toString(encoding) : secret
        if (
          bytes.includes(
            Buffer.from(needle.replace(/=+$/, ''), encoding === 'utf16le' ? 'utf16le' : 'utf8'),
          )
        ) {
          found.push(`${secret} as ${encoding} in ${path}`)
        }
      }
    }
  }
  return found
}

t.test('no file of a sealed store holds anything readable', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const bed = await createBed(folder)
  for (let height = 0; height < 12; height += 1) applyNext(bed)
  bed.store.putNote('a long note', utf8('a long note '.repeat(4_000)))
  bed.store.putNote('a long note', undefined)
  try {
    const broken = { ...buildBlock(bed, 12), stateRoot: undefined as unknown as Uint8Array }
    bed.store.applyBlock(broken)
  } catch {
    // A failed block leaves no trace either.
  }
  const votes = openVotesStore(folder, bed.dataKey, { create: true })
  votes.persist({ record: utf8('vote of mine'), put: [], drop: [] })
  writeSealedFile(join(folder, 'identity'), bed.dataKey, utf8('identity key of the node'))
  await bed.store.environment.backup(join(folder, 'backup.lmdb'))
  t.ok(filesUnder(folder).length >= 6, 'all files are looked at, while open')
  t.same(hits(folder), [])
  await votes.close()
  await bed.store.close()
  t.same(hits(folder), [])
})

t.test('control run: the same scan finds unsealed content', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const plain = open<Buffer, Buffer>({
    path: join(folder, 'plain.lmdb'),
    noSubdir: true,
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
  })
  plain.transactionSync(() => {
    plain.putSync(Buffer.from('record 3.1'), Buffer.from(bodyText(3)))
  })
  await plain.close()
  writeFileSync(join(folder, 'log'), Buffer.from('ward/policy').toString('hex'))
  const found = hits(folder)
  for (const expected of ['record 3.1 as utf8', `${bodyText(3)} as utf8`, 'ward/policy as hex']) {
    t.ok(
      found.some((hit) => hit.startsWith(expected)),
      expected,
    )
  }
})
