// From a fresh folder and a ticket to an admitted node: makes its keys, asks for admission with the ticket's
// key, and fetches the founding document with its own. Every step may be repeated after a crash: the folder
// keeps its identity, and an admission that stands already is found to stand.
import { existsSync, readFileSync } from 'node:fs'
import {
  bytesToHex,
  chainIdOf,
  decodeGenesis,
  entityIdOf,
  equalBytes,
  errorTable,
  nodeRoles,
  type ErrorCode,
  type KeyQuorum,
  type NodeCardFields,
} from '../../runtime/protocol/index.js'
import { createServiceClient, type ServiceClient } from '../../consensus/net/service-client.js'
import type { Hello } from '../../consensus/net/wire.js'
import { destroyKey, sha256, signDetached, verifySignature, type SigningKey } from '../keys/crypto.js'
import { decodeIdentity, destroyIdentity, type NodeIdentity } from '../keys/node-identity.js'
import { writeBootstrapPeers } from '../node/network-book.js'
import { nodeFiles, readNodeConfig, type NodeConfig } from '../node/node-config.js'
import { NodeError } from '../node/node-error.js'
import { decodeStatus, serviceTag } from '../node/node-services.js'
import { replaceFile } from '../store/durable-file.js'
import { openKeyslot, readSealedFile, type KdfCost } from '../store/index.js'
import { initNode } from './init-node.js'
import { admissionBundle, ticketKey, type Ticket } from './ticket.js'

export interface JoinOptions {
  folder: string
  ticket: Ticket
  /** Used when the folder is new; an interrupted join goes on with what it finds. */
  config: NodeConfig
  /** Store password; the caller zeroes it. */
  password: Uint8Array
  cost?: KdfCost
  now?: () => number
  /** All waiting together. */
  timeoutMs?: number
  onProgress?: (label: string, done: number, total: number) => void
}

const stepCount = 4
const answerMs = 15_000
const betweenTriesMs = 500
/** How long the ticket's door and the node's own are tried in turn, when nobody opens. */
const doorMs = 4_000
/** Answers after which another validator, or the same one later, may do better. */
const passing: readonly ErrorCode[] = ['NOT_FINAL_IN_TIME', 'POOL_FULL', 'SEQUENCE_REUSED', 'NODE_SEALED']

/** `before`: this folder's node was admitted earlier; nobody was asked, and the ticket was not used. */
export type Joined = 'now' | 'before'

/**
 * Throws NodeError: TICKET_EXPIRED, ADMISSION_REFUSED with the network's own code and sentence,
 * NETWORK_UNREACHABLE with what the validators said, TICKET_MALFORMED, PASSWORD_EMPTY, FOLDER_NOT_EMPTY (also
 * for a node of another network); StoreError for a wrong password of a folder that is there already.
 */
export async function joinNetwork(options: JoinOptions): Promise<Joined> {
  const { folder, ticket, config, password, cost } = options
  const now = options.now ?? Date.now
  const files = nodeFiles(folder)
  const progress = (label: string, done: number): void => options.onProgress?.(label, done, stepCount)
  const isResumed = existsSync(files.peers)
  if (!isResumed && ticket.expires < now()) throw new NodeError('TICKET_EXPIRED', expiryText(ticket))
  progress('making keys', 0)
  if (!isResumed) {
    await initNode({ folder, config, password, ...(cost && { cost }) })
    writeBootstrapPeers(files.peers, ticket.peers)
  }
  const identity = await openIdentity(folder, password)
  const deadline = now() + (options.timeoutMs ?? 60_000)
  const attempt: Attempt = { options, identity, config: readNodeConfig(folder), deadline, now }
  try {
    if (existsSync(files.genesis)) {
      assertSameNetwork(readFileSync(files.genesis), options)
      progress('admitted before', stepCount)
      return 'before'
    }
    // After a crash the admission may stand already: then the network lets this node in.
    if (isResumed) progress('looking whether the admission stands already', 1)
    const before = isResumed ? await fetchGenesis(attempt, Math.min(deadline, now() + answerMs)) : undefined
    if (!before) progress('asking for admission', 1)
    const found = before ?? (await askAdmission(attempt, (said) => progress(said, 1)))
    progress('fetching the founding document', 2)
    const genesis = found ?? (await fetchGenesis(attempt, deadline))
    if (!genesis) throw new NodeError('NETWORK_UNREACHABLE', 'admitted, but no validator answers any more')
    assertRelease(genesis, ticket)
    replaceFile(files.genesis, Buffer.from(genesis))
    progress('admitted', stepCount)
    return 'now'
  } finally {
    destroyIdentity(identity)
  }
}

const expiryText = ({ expires }: Ticket): string => `it was good until ${new Date(expires).toISOString()}`

interface Attempt {
  options: JoinOptions
  identity: NodeIdentity
  config: NodeConfig
  deadline: number
  now: () => number
}

async function openIdentity(folder: string, password: Uint8Array): Promise<NodeIdentity> {
  const files = nodeFiles(folder)
  const dataKey = await openKeyslot(files.keyslots, password)
  try {
    const bytes = readSealedFile(files.identity, dataKey)
    if (!bytes) throw new NodeError('CONFIG_MALFORMED', 'identity.sealed is missing')
    const identity = decodeIdentity(bytes)
    bytes.fill(0)
    return identity
  } finally {
    dataKey.close()
  }
}

/**
 * Connects with the ticket's key, as an applicant, and asks one validator after the other. An answer may be
 * lost although the admission stands: a used up ticket opens no door any more, the node's own key does. So
 * after each try that told nothing the node's own key is tried. Gives the founding document when that is
 * how it learns of its admission.
 */
async function askAdmission(
  attempt: Attempt,
  say: (text: string) => void,
): Promise<Uint8Array | undefined> {
  const { options, identity, config, now } = attempt
  const { ticket } = options
  const key = ticketKey(ticket)
  const card: NodeCardFields = {
    name: config.name,
    role: nodeRoles.indexOf(config.role),
    voteKey: identity.vote.publicKey,
    transportKey: identity.transport.publicKey,
    host: config.host,
    port: config.port,
  }
  const client = await connectAs(attempt, { transport: key, node: key })
  let last: { code: ErrorCode; detail: string } | undefined
  try {
    // The same bytes again: whoever has them final answers with what became of them.
    let bundle: Uint8Array | undefined
    for (let tries = 1; now() < attempt.deadline; tries += 1) {
      bundle ??= admissionBundle({ ticket, key, card, vote: identity.vote, now: now() })
      const answer = await anyAnswer(client, attempt, prefixed(serviceTag.admission, bundle))
      last = answer ? decodeStatus(answer) : last
      if (answer && last?.code === 'OK') return undefined
      if (answer && last && !passing.includes(last.code)) break
      // Another computer with this ticket may have drawn the same place.
      if (last?.code === 'SEQUENCE_REUSED') bundle = undefined
      say(`no admission yet (${last?.code ?? 'no answer'}), try ${tries + 1}`)
      const found = await fetchGenesis(attempt, Math.min(attempt.deadline, now() + doorMs))
      if (found) return found
      await pause(betweenTriesMs)
    }
  } finally {
    await client.close()
    destroyKey(key)
  }
  if (!last) throw new NodeError('NETWORK_UNREACHABLE', reasonsOf(client, ticket))
  throw new NodeError(
    'ADMISSION_REFUSED',
    `${errorTable[last.code].sentence} (${last.code}, ${last.detail})`,
  )
}

/** A founding document that is here already was kept after an admission: that of the ticket's network? */
function assertSameNetwork(genesis: Uint8Array, { folder, ticket }: JoinOptions): void {
  if (!equalBytes(chainIdOf(sha256, genesis), ticket.chainId)) {
    throw new NodeError('FOLDER_NOT_EMPTY', `${folder}: of another network than ${ticket.chainName}`)
  }
  assertRelease(genesis, ticket)
}

/** The ticket said whose software may run here before the document was there: now it is compared. */
function assertRelease(genesis: Uint8Array, { release }: Ticket): void {
  if (!release) return
  const decoded = decodeGenesis(genesis)
  const pinned = decoded.ok ? decoded.value.release : undefined
  const text = ({ threshold, keys }: KeyQuorum): string => `${threshold} of ${keys.map(bytesToHex).join()}`
  if (pinned && text(pinned) === text(release)) return
  throw new NodeError('TICKET_MALFORMED', 'its release keys are not those of the founding document')
}

/** The document whose hash the ticket names; undefined when nobody gives it before the deadline. */
async function fetchGenesis(attempt: Attempt, deadline: number): Promise<Uint8Array | undefined> {
  const { identity, options, now } = attempt
  const client = await connectAs(attempt, { transport: identity.transport, node: identity.vote })
  const request = new Uint8Array([serviceTag.genesis])
  try {
    while (now() < deadline) {
      if (!(await client.waitForPeer(Math.max(1, deadline - now())))) return undefined
      for (const { peer } of client.peers()) {
        const answer = await client.request(peer, request, answerMs)
        const genesis = answer?.[0] === serviceTag.genesis ? answer.subarray(1) : undefined
        // A validator that hands out another document lies, or is of another network: the next one.
        if (genesis && equalBytes(chainIdOf(sha256, genesis), options.ticket.chainId)) return genesis
      }
      await pause(betweenTriesMs)
    }
    return undefined
  } finally {
    await client.close()
  }
}

function connectAs(
  { options, config }: Attempt,
  keys: { transport: SigningKey; node: SigningKey },
): Promise<ServiceClient> {
  const { ticket } = options
  const nodeKey = keys.node.publicKey
  const book = new Map(
    ticket.peers.map(({ transportKey, host, port }) => [bytesToHex(transportKey), { host, port }]),
  )
  const zero = new Uint8Array(32)
  return createServiceClient({
    keyPair: { publicKey: Buffer.from(keys.transport.publicKey), secretKey: keys.transport.secretKey },
    host: config.host,
    port: 0,
    bootstrap: [...book.values()],
    book,
    dial: [...book.keys()],
    allowed: [],
    hello: () => ({
      chainId: ticket.chainId,
      epoch: ticket.epoch,
      nodeId: entityIdOf(sha256, nodeKey),
      nodeKey,
      role: 'observer',
      tipHeight: 0,
      tipHash: zero,
    }),
    sign: (bytes) => signDetached(keys.node, bytes),
    verify: verifySignature,
    refuse: (peer: string, hello: Hello) => {
      const known = ticket.peers.find(({ transportKey }) => bytesToHex(transportKey) === peer)
      return known && equalBytes(known.entity, hello.nodeId) ? null : 'NODE_KEY_MISMATCH'
    },
  })
}

/** The first answer that any connected validator gives. */
async function anyAnswer(
  client: ServiceClient,
  { deadline, now }: Attempt,
  request: Uint8Array,
): Promise<Uint8Array | undefined> {
  if (!(await client.waitForPeer(Math.max(1, Math.min(deadline - now(), doorMs))))) return undefined
  for (const { peer } of client.peers()) {
    const answer = await client.request(peer, request, answerMs)
    if (answer) return answer
  }
  return undefined
}

function reasonsOf(client: ServiceClient, { peers, expires }: Ticket): string {
  const reasons = new Set(client.closedReasons().map(({ reason }) => reason))
  const said = reasons.size > 0 ? `they said: ${[...reasons].join(', ')}` : 'none of them answered'
  const places = peers.map(({ host, port }) => `${host}:${port}`).join(', ')
  return `${places}; ${said}. A ticket that is used up, withdrawn or past ${new Date(expires).toISOString()} gets no answer`
}

const prefixed = (tag: number, bytes: Uint8Array): Uint8Array => {
  const request = new Uint8Array(1 + bytes.length)
  request[0] = tag
  request.set(bytes, 1)
  return request
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
