// Two admitted nodes that misbehave against real daemons: one asks for everything and never reads, one sends
// without pause what it may send and what it may not. Daemons are looked at from outside: resident memory by
// the kernel's count, and how long another device waits meanwhile.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import {
  encodeServiceFrame,
  encodeSubscribeFrame,
  encodeTipFrame,
  encodeTransactionsFrame,
} from '../../consensus/net/frames.js'
import { createTransport, type PeerId, type Transport } from '../../consensus/net/transport.js'
import { randomBytes, sha256, signDetached, verifySignature } from '../../host/keys/crypto.js'
import { decodeIdentity, type NodeIdentity } from '../../host/keys/node-identity.js'
import { nodeFiles } from '../../host/node/node-config.js'
import type { ApiClient } from '../../host/api/client.js'
import type { Outcome, ReceiptView } from '../../host/api/node-port.js'
import { openKeyslot, readSealedFile } from '../../host/store/index.js'
import { bytesToHex, chainIdOf, decodeGenesis, equalBytes } from '../../runtime/protocol/index.js'
import type { LoadDevice, LoadNetwork } from '../benches/load.js'
import { normalSet } from '../benches/load.js'
import { encodeText, patienceMs, sleep } from '../story/network.js'

/**
 * What one connection can cost a daemon beyond what it costs anyway, by the table in consensus/net/README.md:
 * own queue 10, gossip 8, unfinished messages 17.5, frames that wait 21, those of connections that it closed
 * 12, an encrypted frame 16 MiB.
 */
export const perPeerBytesMax = 85 * 2 ** 20
/** Garbage that the collector has not taken yet, and the allocator's own holes. */
export const slackBytes = 160 * 2 ** 20

export interface RogueReport {
  /** Highest resident set of any validator, bytes: under load alone, and with both rogues. */
  calmBytes: number
  rogueBytes: number
  /** From submit to final of an honest device, ms. */
  calmMs: number[]
  rogueMs: number[]
  /** Codes of what of the honest device's did not become final while the rogues were there. */
  honestRefused: string[]
  /** Frames that the flooder got rid of, beside those readings too, and how often it was sent away. */
  flooded: number
  floodedMeanwhile: number
  sentAway: number
  /** What validators refused as no honest peer's, by the peer that brought it. */
  refusedOf: Record<string, number>
}

interface Rogue {
  transport: Transport
  up: Set<PeerId>
  closed: string[]
}

/**
 * `load` has followers; both of them are ended, and their identities misused. The honest device sends for so
 * many seconds and at least so many readings, one after another, before and while they do.
 */
export async function runRogues(
  load: LoadNetwork,
  poor: LoadDevice,
  seconds: number,
  readings = 1,
): Promise<RogueReport> {
  const { network } = load
  const patient = await load.admit()
  await Promise.all(['workstation', 'gateway'].map((name) => network.processes.kill(name)))
  await measure(load, patient, 3)
  const calm = await measure(load, patient, seconds, readings)
  const deaf = await startRogue(load, 'workstation', true)
  const flooder = await startRogue(load, 'gateway', false)
  const flood = { isOn: true, count: 0 }
  const flooding = floodWith(flooder, poor, patient, flood)
  try {
    const deadline = Date.now() + patienceMs
    while (deaf.up.size < 4 && Date.now() < deadline) await sleep(50)
    for (const peer of deaf.up) deaf.transport.send(peer, encodeSubscribeFrame(everything), 0)
    const before = flood.count
    const rogue = await measure(load, patient, seconds, readings)
    return {
      ...{ calmBytes: calm.bytes, calmMs: calm.ms, rogueBytes: rogue.bytes, rogueMs: rogue.ms },
      ...{ flooded: flood.count, floodedMeanwhile: flood.count - before, sentAway: flooder.closed.length },
      ...{ honestRefused: rogue.refused, refusedOf: await refusedOf(load) },
    }
  } finally {
    flood.isOn = false
    await flooding
    await Promise.all([deaf.transport.close(), flooder.transport.close()])
  }
}

const everything = { blocks: true, transactions: true }

/** One reading after another at the validators in turn. */
async function measure(load: LoadNetwork, patient: Uint8Array, seconds: number, readings = 1) {
  const names = validatorsOf(load)
  const ms: number[] = []
  const refused: string[] = []
  let bytes = 0
  const end = Date.now() + seconds * 1_000
  for (let turn = 0; Date.now() < end || turn < readings; turn += 1) {
    const sent = performance.now()
    const bundle = load.devices[0].bundle(patient, normalSet.slice(0, 1), Date.now())
    const outcome = await submitUntilFinal(load.network.api(names[turn % names.length]), bundle)
    if (outcome.ok && outcome.value.code === 'OK') ms.push(performance.now() - sent)
    else refused.push(outcome.ok ? outcome.value.code : outcome.code)
    bytes = Math.max(bytes, ...names.map((name) => residentBytes(load.network.processes.pidOf(name))))
  }
  return { ms, refused, bytes }
}

const validatorsOf = ({ network }: LoadNetwork): string[] =>
  network.plan.nodes.filter(({ role }) => role === 'validator').map(({ name }) => name)

const refusedLine = /^wardchain_peer_refused_total\{peer="([^"]+)",code="[A-Z_]+"\} (\d+)$/gm

async function refusedOf(load: LoadNetwork): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const name of validatorsOf(load)) {
    const text = await (await fetch(`${load.network.urlOf(name)}/metrics`)).text()
    for (const [, peer, count] of text.matchAll(refusedLine))
      counts[peer] = (counts[peer] ?? 0) + Number(count)
  }
  return counts
}

/** Once more while it waits: how long that may take says the bench, not who asks for counts. */
async function submitUntilFinal(api: ApiClient, bundle: Uint8Array): Promise<Outcome<ReceiptView>> {
  const deadline = Date.now() + patienceMs
  let outcome = await api.submitSigned(bundle)
  while (!outcome.ok && outcome.code === 'NOT_FINAL_IN_TIME' && Date.now() < deadline)
    outcome = await api.submitSigned(bundle)
  return outcome
}

/** 0 when the process is gone. */
function residentBytes(pid: number | undefined): number {
  if (pid === undefined) return 0
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1] ?? 0) * 1_024
}

async function identityOf(load: LoadNetwork, name: string): Promise<NodeIdentity> {
  const files = nodeFiles(load.network.processes.folderOf(name))
  const key = await openKeyslot(files.keyslots, encodeText(load.network.plan.storePassword))
  const bytes = readSealedFile(files.identity, key)
  key.close()
  if (!bytes) throw new Error(`${name} has no identity`)
  return decodeIdentity(bytes)
}

async function startRogue(load: LoadNetwork, name: string, isDeaf: boolean): Promise<Rogue> {
  const { transport: keys, vote, entity } = await identityOf(load, name)
  const genesisBytes = readFileSync(path.join(load.network.plan.folder, 'genesis.cbor'))
  const genesis = decodeGenesis(genesisBytes)
  if (!genesis.ok) throw new Error(genesis.code)
  const validators = genesis.value.nodes.filter(({ role }) => role === 'validator')
  const book = new Map(
    validators.map(({ transportKey, host, port }) => [bytesToHex(transportKey), { host, port }]),
  )
  const chainId = chainIdOf(sha256, genesisBytes)
  const rogue: Omit<Rogue, 'transport'> = { up: new Set(), closed: [] }
  const zero = new Uint8Array(32)
  const transport = await createTransport(
    {
      keyPair: { publicKey: Buffer.from(keys.publicKey), secretKey: keys.secretKey },
      ...{ host: '127.0.0.1', port: 0, bootstrap: [...book.values()], book, dial: [...book.keys()] },
      allowed: [],
      hello: () => ({
        ...{ chainId, epoch: 0, nodeId: entity, nodeKey: vote.publicKey },
        ...{ role: 'observer' as const, tipHeight: 0, tipHash: zero },
      }),
      sign: (bytes) => signDetached(vote, bytes),
      verify: verifySignature,
      refuse: (peer, hello) =>
        validators.some((node) => equalBytes(node.entity, hello.nodeId)) ? null : `NOT_KNOWN ${peer}`,
    },
    {
      onPeer: (peer, up) => void (up ? rogue.up.add(peer) : rogue.up.delete(peer)),
      // Whoever never gives credit back never reads.
      onFrame: (_from, _frame, _class, release) => (isDeaf ? undefined : release()),
      onWritable: () => undefined,
      onClosed: (_peer, reason) => void rogue.closed.push(reason),
    },
  )
  return Object.assign(rogue, { transport })
}

/** Valid transactions of a device without much credit, garbage, tips, requests: as much as the link takes. */
async function floodWith(
  { transport, up }: Rogue,
  poor: LoadDevice,
  patient: Uint8Array,
  flood: { isOn: boolean; count: number },
): Promise<void> {
  const garbage = Array.from({ length: 16 }, () => randomBytes(60_000))
  const ask = encodeServiceFrame('request', 1, new Uint8Array([3, 0x81, 0]))
  // Signed anew only when the last ones went out: the flooder's own work is no part of what is measured.
  const sign = (): Uint8Array =>
    encodeTransactionsFrame(
      Array.from({ length: 20 }, () => poor.bundle(patient, normalSet.slice(0, 1), Date.now())),
    )
  let signed = sign()
  for (let turn = 0; flood.isOn; turn += 1) {
    const before = flood.count
    const frames = [
      signed,
      encodeTransactionsFrame([garbage[turn % garbage.length]]),
      encodeTipFrame(2 ** 40 + turn, new Uint8Array(32)),
    ]
    if (turn % 8 === 0) frames.push(ask)
    for (const peer of up) {
      for (const frame of frames) {
        const isBulk = frame === frames[0] || frame === frames[1]
        if (!transport.send(peer, frame, isBulk ? 1 : 0)) continue
        flood.count += 1
        if (frame === signed) signed = sign()
      }
    }
    await (flood.count === before ? sleep(1) : new Promise((resolve) => setImmediate(resolve)))
  }
}
