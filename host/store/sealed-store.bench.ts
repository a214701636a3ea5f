// `sealed-put`, `sealed-get`: sealed records against plain LMDB, the same data in the same run.
// `durable-vote`: one vote on disk against a raw write and fdatasync. `page-encryption`: why lmdb's own
// encryptionKey is not used.
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { password, temporaryFolder, testCost } from './chain-store.fixture.js'
import { median, percentile, type Bench, type BenchLine } from './bench.fixture.js'
import { pointStoredKey } from './chain-keys.js'
import { createKeyslotFile, openVotesStore } from './index.js'
import { SealedEnvironment } from './sealed-environment.js'
import { table } from './tables.js'

const valueBytes = 200
const perTransaction = 1_000
const rounds = 61
const keyCount = 20_000

function openPlain(path: string, encryptionKey?: string): RootDatabase<Buffer, Buffer> {
  return open<Buffer, Buffer>({
    path,
    noSubdir: true,
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
    cache: false,
    ...(encryptionKey === undefined ? {} : { encryptionKey }),
  })
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits))

interface Side {
  put(from: number): void
  get(from: number): void
  close(): Promise<void>
}

async function createSides(folder: string): Promise<Record<'plain' | 'encryptionKey' | 'sealed', Side>> {
  const dataKey = await createKeyslotFile(join(folder, 'keyslots'), password, { cost: testCost })
  const sealed = new SealedEnvironment({ folder, space: 'chain', tables: [table.statePoint], dataKey })
  const sealer = sealed.sealer(table.statePoint)
  const keyOf = (number: number): Buffer => {
    const key = Buffer.alloc(32, 7)
    key.writeUInt32BE(Math.imul(number % keyCount, 2_654_435_761) >>> 0)
    return key
  }
  const value = Buffer.alloc(valueBytes, 'v')
  const ofPlain = (database: RootDatabase<Buffer, Buffer>): Side => ({
    put: (from) => {
      database.transactionSync(() => {
        for (let number = from; number < from + perTransaction; number += 1)
          database.putSync(keyOf(number), value)
      })
    },
    get: (from) => {
      for (let number = from; number < from + perTransaction; number += 1) {
        if (database.getBinary(keyOf(number)) === undefined) throw new Error('not found')
      }
    },
    close: () => database.close(),
  })
  return {
    plain: ofPlain(openPlain(join(folder, 'plain.lmdb'))),
    encryptionKey: ofPlain(openPlain(join(folder, 'encrypted.lmdb'), 'k'.repeat(32))),
    sealed: {
      put: (from) =>
        sealed.write(() => {
          for (let number = from; number < from + perTransaction; number += 1) {
            const key = keyOf(number)
            sealed.put(table.statePoint, pointStoredKey(table.statePoint, sealer, key), key, value)
          }
        }),
      get: (from) => {
        for (let number = from; number < from + perTransaction; number += 1) {
          const key = keyOf(number)
          const stored = pointStoredKey(table.statePoint, sealer, key)
          if (sealed.get(table.statePoint, stored, key) === undefined) throw new Error('not found')
        }
      },
      close: () => sealed.close(),
    },
  }
}

async function putAndGet(what: 'put' | 'get'): Promise<BenchLine[]> {
  const { folder, remove } = temporaryFolder()
  const sides = await createSides(folder)
  const names = ['plain', 'encryptionKey', 'sealed'] as const
  const timings = { plain: [] as number[], encryptionKey: [] as number[], sealed: [] as number[] }
  const cpu = { plain: [] as number[], encryptionKey: [] as number[], sealed: [] as number[] }
  try {
    for (let from = 0; from < keyCount; from += perTransaction)
      for (const name of names) sides[name].put(from)
    // The three take turns, so that a busy moment of the machine hits all of them.
    for (let turn = 0; turn < rounds; turn += 1) {
      for (const name of names) {
        const cpuBefore = process.cpuUsage()
        const start = performance.now()
        sides[name][what](turn * perTransaction)
        timings[name].push(performance.now() - start)
        const { user, system } = process.cpuUsage(cpuBefore)
        cpu[name].push((user + system) / 1_000)
      }
    }
  } finally {
    for (const name of names) await sides[name].close()
    remove()
  }
  const rate = (name: 'plain' | 'encryptionKey' | 'sealed'): number =>
    (perTransaction / median(timings[name])) * 1_000
  const cpuRatio = (name: 'encryptionKey' | 'sealed'): number =>
    round(median(cpu.plain) / median(cpu[name]), 2)
  const input = `${valueBytes} B values, 32 B keys, ${keyCount} records, ${perTransaction} a transaction`
  return (['sealed', 'encryptionKey'] as const).map((name) => ({
    name: name === 'sealed' ? `sealed-${what}` : `sealed-${what}-encryption-key`,
    value: Math.round(rate(name)),
    unit: `${what}s/s`,
    p50: round((median(timings[name]) / perTransaction) * 1_000, 2),
    p99: round((percentile(timings[name], 0.99) / perTransaction) * 1_000, 2),
    baseline: `plain LMDB ${Math.round(rate('plain'))}/s`,
    ratio: round(rate(name) / rate('plain'), 2),
    input: `${input}; p50 and p99 in microseconds each; ratio of CPU time ${cpuRatio(name)}`,
  }))
}

async function durableVote(): Promise<BenchLine[]> {
  const { folder, remove } = temporaryFolder()
  const dataKey = await createKeyslotFile(join(folder, 'keyslots'), password, { cost: testCost })
  const votes = openVotesStore(folder, dataKey, { create: true })
  const file = openSync(join(folder, 'raw'), 'w')
  const record = Buffer.alloc(500, 'r')
  const page = Buffer.alloc(4_096, 'p')
  const ofVotes: number[] = []
  const ofRaw: number[] = []
  const timed = (list: number[], work: () => void): void => {
    const start = performance.now()
    work()
    list.push(performance.now() - start)
  }
  for (let turn = 0; turn < 200; turn += 1) {
    timed(ofRaw, () => {
      writeSync(file, page, 0, page.length, (turn % 64) * page.length)
      fdatasyncSync(file)
    })
    timed(ofVotes, () => votes.persist({ record, put: [], drop: [] }))
  }
  closeSync(file)
  await votes.close()
  remove()
  return [
    {
      name: 'durable-vote',
      value: round(median(ofVotes) - median(ofRaw), 3),
      unit: 'ms above raw fdatasync, p50',
      p50: round(median(ofVotes), 3),
      p99: round(percentile(ofVotes, 0.99), 3),
      baseline: `raw 4 KB write and fdatasync: p50 ${round(median(ofRaw), 3)} ms`,
      ratio: round(median(ofVotes) / median(ofRaw), 2),
      input: '500 B record, sealed',
    },
  ]
}

const known = 'A'.repeat(160)
const secret = 'Lisa Jones, 29: wound infection after cholecystectomy, blood cultures and lactate ordered'

/** What someone sees who has two copies of a file, knows the older value, and has no key. */
function recover(older: Buffer, newer: Buffer): number {
  const length = Math.min(older.length, newer.length)
  const guess = Buffer.alloc(length)
  for (let index = 0; index < length; index += 1) guess[index] = older[index] ^ newer[index] ^ 0x41
  let best = 0
  for (let start = 0; start < secret.length; start += 8) {
    const part = secret.slice(start, start + 8)
    if (part.length === 8 && guess.includes(part)) best += 8
  }
  return best
}

async function pageEncryption(): Promise<BenchLine[]> {
  const { folder, remove } = temporaryFolder()
  const key = Buffer.from('a key of the database')
  const dataKey = await createKeyslotFile(join(folder, 'keyslots'), password, { cost: testCost })
  const sealed = new SealedEnvironment({ folder, space: 'chain', tables: [table.statePoint], dataKey })
  const stored = pointStoredKey(table.statePoint, sealed.sealer(table.statePoint), key)
  const encrypted = openPlain(join(folder, 'encrypted.lmdb'), 'a password of 32 characters, yes')
  const writers: [string, string, (value: string) => void][] = [
    [
      'encryptionKey',
      join(folder, 'encrypted.lmdb'),
      (value) => {
        encrypted.transactionSync(() => {
          encrypted.putSync(key, Buffer.from(value))
        })
      },
    ],
    [
      'sealed records',
      sealed.path,
      (value) => sealed.write(() => sealed.put(table.statePoint, stored, key, Buffer.from(value))),
    ],
  ]
  const recovered = new Map<string, number>()
  try {
    for (const [name, path, write] of writers) {
      const copies: Buffer[] = []
      for (let turn = 0; turn < 4; turn += 1) {
        write(known)
        copies.push(readFileSync(path))
      }
      let best = 0
      for (let turn = 0; turn < 4; turn += 1) {
        write(secret)
        const newer = readFileSync(path)
        for (const older of copies) best = Math.max(best, recover(older, newer))
      }
      recovered.set(name, best)
    }
  } finally {
    await encrypted.close()
    await sealed.close()
    remove()
  }
  return [...recovered].map(([name, byteCount]) => ({
    name: name === 'encryptionKey' ? 'page-encryption' : 'page-encryption-sealed',
    value: byteCount,
    unit: `of ${secret.length} secret bytes read from two file copies without the key`,
    input: `${name}: copies of one file before and after a record changed; known is only that the old value was one letter repeated`,
  }))
}

export const benches: Bench[] = [
  { name: 'sealed-put', run: () => putAndGet('put') },
  { name: 'sealed-get', run: () => putAndGet('get') },
  { name: 'durable-vote', run: durableVote },
  { name: 'page-encryption', run: pageEncryption },
]
