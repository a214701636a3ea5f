// Snapshots: from honest peers, beside a liar and a peer that cuts answers off, after a crash, and for a
// whole new node behind an erasure.
import t from 'tap'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bytesToHex, entityKind } from '../../runtime/protocol/index.js'
import { ExecutorClient } from '../executor/executor-client.js'
import { ReaderClient } from '../executor/reader-client.js'
import { randomBytes } from '../keys/crypto.js'
import { nodeFiles } from '../node/node-config.js'
import { createSingleNode, storePassword, type SingleNode } from '../node/single-node.fixture.js'
import { openKeyslot, type DataKey } from '../store/index.js'
import { decodeAnswer, encodeAnswer, encodeRequest } from '../executor/snapshot-format.js'
import { SnapshotService } from './snapshot-service.js'
import { takeSnapshot, type SyncOptions } from './snapshot-sync.js'

const patient = (number: number): string => number.toString(16).padStart(32, '0')

/** A node with persons, many keys, records of three patients, one of them erased; its executor alone. */
async function source(): Promise<{
  single: SingleNode
  executor: ExecutorClient
  dataKey: DataKey
  stateRoot: string
  /** An offer of the time before the erasure. */
  stale: Uint8Array
  /** The first that a person signed. */
  transaction: string
}> {
  const single = await createSingleNode()
  const nurse = await single.signIn('nurse')
  let transaction = ''
  for (const number of [1, 2, 3]) {
    const records = [admission(number), observation(number)]
    const receipt = await single.sign(nurse, { type: 'append', records })
    if (receipt.code !== 'OK') throw new Error(`${receipt.code} ${receipt.detail}`)
    if (number === 1) transaction = receipt.transactionId
  }
  const stale = await offerOf(single)
  const admin = await single.signIn('admin')
  const govern = async (method: string, args: Record<string, string | number>): Promise<void> => {
    const receipt = await single.sign(admin, { type: 'call', target: 'ward/governance', method, args })
    if (receipt.code !== 'OK') throw new Error(`${receipt.code} ${receipt.detail}`)
  }
  for (let index = 0; index < 12; index += 1)
    await govern('enrol', { kind: entityKind.source, publicKey: bytesToHex(randomBytes(32)) })
  await govern('erasePatient', { patient: patient(3) })
  const { stateRoot } = single.node.status()
  await single.node.seal()
  const dataKey = await openKeyslot(nodeFiles(single.folder).keyslots, storePassword.slice())
  const executor = new ExecutorClient(() => undefined)
  const bytes = dataKey.toBytes()
  await executor.call('open', { folder: nodeFiles(single.folder).chain, dataKey: bytes, genesis: null })
  return { single, executor, dataKey, stateRoot, stale, transaction }
}

/** What this node offers now. It is open again afterwards. */
async function offerOf(single: SingleNode): Promise<Uint8Array> {
  await single.node.seal()
  const key = await openKeyslot(nodeFiles(single.folder).keyslots, storePassword.slice())
  const executor = new ExecutorClient(() => undefined)
  const dataKey = key.toBytes()
  await executor.call('open', { folder: nodeFiles(single.folder).chain, dataKey, genesis: null })
  const offer = await executor.call('snapshot', { request: encodeRequest({ kind: 'offer' }), peer: '' })
  await executor.close()
  key.close()
  const unlocked = await single.node.unlock(storePassword.slice())
  if (!unlocked.ok) throw new Error(unlocked.code)
  return offer
}

function admission(number: number) {
  const body = {
    family: 'Jones',
    given: 'Lisa',
    birthDate: 19_800_101,
    sex: 'female',
    pregnancy: 0,
    identifiers: [{ value: `MRN-${number}`, authority: 'HOSPITAL', type: 'MR' }],
    ward: '4W',
    room: '412',
    bed: 'A',
    visitNumber: 'V1',
    reason: 'observation',
  }
  return { kind: 'admission' as const, patient: patient(number), code: '', body }
}

function observation(number: number) {
  const body = {
    value: '385',
    scale: 1,
    unit: 'Cel',
    text: '',
    status: 'F',
    validation: 2,
    sourceText: '',
    device: '',
  }
  return { kind: 'observation' as const, patient: patient(number), code: '8310-5', body }
}

interface Teardown {
  teardown(work: () => unknown): void
}

interface Target {
  folder: string
  executor: ExecutorClient
  open(): Promise<void>
  /** Opens what was taken as a chain. */
  check(): Promise<{
    root: string
    records: unknown[]
    record: string
    erased: unknown[]
    height: number
  }>
}

async function target(t: Teardown, made: Awaited<ReturnType<typeof source>>): Promise<Target> {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-sync-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const key = await openKeyslot(nodeFiles(made.single.folder).keyslots, storePassword.slice())
  t.teardown(() => key.close())
  const entry: Target = {
    folder,
    executor: new ExecutorClient(() => undefined),
    open: async () => {
      const { genesis } = made.single
      await entry.executor.call('syncOpen', { folder, dataKey: key.toBytes(), genesis })
    },
    check: async () => {
      await entry.executor.close()
      const executor = new ExecutorClient(() => undefined)
      const open = await executor.call('open', { folder, dataKey: key.toBytes(), genesis: null })
      const of = (number: number) => ({
        patient: new Uint8Array(Buffer.from(patient(number), 'hex')),
        kind: 2,
        code: '',
        from: 0,
        to: Number.MAX_SAFE_INTEGER,
        limit: 10,
        newest: true,
      })
      const [kept, gone] = [await executor.call('records', of(1)), await executor.call('records', of(3))]
      await executor.close()
      const { stateRoot } = open.tip.result
      return {
        root: bytesToHex(stateRoot),
        records: kept.records.map(({ body }) => body),
        record: bytesToHex(kept.records[0]?.id ?? new Uint8Array(0)),
        erased: gone.records.map(({ body }) => body),
        height: open.tip.height,
      }
    },
  }
  await entry.open()
  return entry
}

/** What a reader of this store answers who is asked to run these again. */
async function replaysOn(folder: string, key: DataKey, ids: readonly string[]): Promise<unknown[]> {
  const readers = new ReaderClient({ folder, dataKey: () => key.toBytes(), onTrouble: () => undefined })
  try {
    const ask = (id: string) => readers.call('replay', { id: Uint8Array.from(Buffer.from(id, 'hex')) })
    return [await ask(ids[0]), await ask(ids[1])]
  } finally {
    await readers.close()
  }
}

type Alter = (answer: Uint8Array, count: number) => Uint8Array | null | Promise<Uint8Array | null>

/** Peers that answer from one executor, each in its own way. */
function peersOf(
  executor: ExecutorClient,
  peers: Record<string, Alter>,
): SyncOptions['client'] & { parts: number } {
  const counts = new Map<string, number>()
  const service = new SnapshotService(executor)
  const hello = { tipHeight: 0 } as never
  const client = {
    parts: 0,
    peers: () => Object.keys(peers).map((peer) => ({ peer, hello })),
    waitForPeer: () => Promise.resolve(true),
    request: async (peer: string, request: Uint8Array, timeoutMs: number) => {
      const count = (counts.get(peer) ?? 0) + 1
      counts.set(peer, count)
      const told = await service.answer(request, peer)
      // A peer that prepares its snapshot is asked again and again: that depends on the machine.
      if (isPart(told)) client.parts += 1
      const answer = peers[peer](told, count)
      return Promise.race([answer, new Promise<null>((end) => setTimeout(end, timeoutMs, null).unref())])
    },
  }
  return client
}

const honest: Alter = (answer) => answer

const isPart = (answer: Uint8Array): boolean =>
  !['offer', 'wait', 'other', undefined].includes(decodeAnswer(answer)?.kind)

t.test('a snapshot', async (t) => {
  const made = await source()
  /** Parts of a snapshot. */
  let whole = 0
  t.teardown(async () => {
    await made.executor.close()
    made.dataKey.close()
    await made.single.close()
  })

  await t.test(
    'has the certified root, bodies under own keys, and nothing of an erased patient',
    async (t) => {
      const to = await target(t, made)
      const client = peersOf(made.executor, { one: honest, two: honest })
      await takeSnapshot({ client, executor: to.executor, timeoutMs: 120_000 })
      const got = await to.check()
      whole = client.parts
      t.equal(got.root, made.stateRoot)
      t.ok(got.height > 0)
      t.equal(got.records.length, 1)
      t.ok(got.records[0], 'a body that can be read')
      t.same(got.erased, [null], 'the header stays, the content does not come back')
      const said = await replaysOn(to.folder, made.dataKey, [got.record, made.transaction])
      const detail = new RegExp(`^block 1; kept from block ${got.height + 1} on$`)
      t.match(said[0], { code: 'REPLAY_UNAVAILABLE', detail }, 'the record is here, its block is not')
      const elsewhere = /this node has whole blocks from \d+ on, another may have earlier ones/
      t.match(said[1], { code: 'TRANSACTION_UNKNOWN', detail: elsewhere })
    },
  )

  await t.test(
    'the highest proven offer is taken, not the first one; nobody waits for the silent',
    async (t) => {
      const to = await target(t, made)
      const client = peersOf(made.executor, {
        silent: () => new Promise<null>(() => undefined),
        stale: (_answer, count) => (count === 1 ? made.stale : null),
        honest: async (answer) => {
          await new Promise((resolve) => setTimeout(resolve, 100))
          return answer
        },
      })
      await takeSnapshot({ client, executor: to.executor, answerMs: 1_500, timeoutMs: 60_000 })
      t.equal((await to.check()).root, made.stateRoot, 'not the state before the erasure')
    },
  )

  await t.test('a liar is found out and named; who cuts off is passed over', async (t) => {
    const to = await target(t, made)
    const liars: string[] = []
    const flip: Alter = (answer, count) => {
      // It begins honestly, as a liar would.
      if (count < 3) return answer
      const altered = answer.slice()
      altered[altered.length - 1] ^= 1
      return altered
    }
    const client = peersOf(made.executor, {
      liar: flip,
      cutter: (answer, count) => (count % 2 === 0 ? null : answer),
      truncating: (answer) => answer.subarray(0, Math.max(2, answer.length >> 1)),
      honest,
    })
    const onLiar = (peer: string): void => void liars.push(peer)
    await takeSnapshot({ client, executor: to.executor, onLiar, timeoutMs: 120_000 })
    t.equal((await to.check()).root, made.stateRoot)
    t.ok(liars.includes('liar'), liars.join())
    t.ok(liars.includes('truncating'))
    t.notOk(liars.includes('honest'))
    t.notOk(liars.includes('cutter'), 'no answer is no lie')
  })

  await t.test('a slow peer whose state nobody else has is left out', async (t) => {
    const to = await target(t, made)
    const other = encodeAnswer({ kind: 'other' })
    let [aims, slowParts] = [0, 0]
    const client = peersOf(made.executor, {
      slow: async (answer) => {
        if (decodeAnswer(answer)?.kind === 'offer') return answer
        slowParts += 1
        await new Promise((resolve) => setTimeout(resolve, 200))
        return slowParts === 1 ? answer : encodeAnswer({ kind: 'wait' })
      },
      honest: (answer) => {
        if (decodeAnswer(answer)?.kind === 'offer') aims += 1
        // Pinned at another height, until it is asked for an offer again.
        else if (aims < 2) return other
        return aims < 2 ? made.stale : answer
      },
    })
    await takeSnapshot({ client, executor: to.executor, slowMs: 1_000, timeoutMs: 60_000 })
    t.equal((await to.check()).root, made.stateRoot)
    t.ok(slowParts > 0, 'it was asked first')
  })

  await t.test('who is sealed meanwhile waits for nobody', async (t) => {
    const to = await target(t, made)
    const stopping = new AbortController()
    const client = peersOf(made.executor, {
      one: (answer, count) => {
        if (count === 2) stopping.abort()
        return count < 2 ? answer : encodeAnswer({ kind: 'wait' })
      },
    })
    const options = { client, executor: to.executor, stop: stopping.signal }
    await t.rejects(takeSnapshot(options), { code: 'SYNC_STOPPED' })
    await to.executor.close()
  })

  await t.test('after a crash only what is missing is asked for', async (t) => {
    const to = await target(t, made)
    const first = peersOf(made.executor, {
      one: (answer) => {
        if (first.parts > (whole * 2) / 3) throw new Error('power failure')
        return answer
      },
    })
    await t.rejects(takeSnapshot({ client: first, executor: to.executor, timeoutMs: 120_000 }), /power/)
    await to.executor.close()
    to.executor = new ExecutorClient(() => undefined)
    await to.open()
    const second = peersOf(made.executor, { one: honest })
    await takeSnapshot({ client: second, executor: to.executor, timeoutMs: 120_000 })
    t.equal((await to.check()).root, made.stateRoot)
    t.ok(second.parts < whole / 2, `${whole} in all, ${second.parts} after the crash`)
  })

  await t.test('nobody certified, nobody believed', async (t) => {
    const to = await target(t, made)
    const liars: string[] = []
    const client = peersOf(made.executor, {
      liar: (answer) => {
        const altered = answer.slice()
        altered[40] ^= 1
        return altered
      },
    })
    const onLiar = (peer: string): void => void liars.push(peer)
    const options = { client, executor: to.executor, onLiar, timeoutMs: 1_000 }
    await t.rejects(takeSnapshot(options), { code: 'SYNC_NO_PEER' })
    t.same(liars, ['liar'])
    await to.executor.close()
  })
})
