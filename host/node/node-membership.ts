// What a node says of the network's members, and what it signs for its own place among them.
import {
  bytesToHex,
  consentBytes,
  decodeGenesis,
  encodeCertificate,
  hexToBytes,
  ok,
  readinessBytes,
  refused,
  validatorAction,
  type KeyQuorum,
  type ValidatorActionName,
} from '../../runtime/protocol/index.js'
import type { Outcome, Pinned } from '../api/node-port.js'
import type { NetworkJson, ReadinessJson } from '../api/network-json.js'
import { signDetached, type SigningKey } from '../keys/crypto.js'
import { epochOf } from './recovery-watch.js'
import type { RunningNode } from './running-node.js'
import { wipeJsonOf } from './wipe-orders.js'

/** Nodes, the set that votes now, and who of it is reachable from here. */
export async function networkOf(node: RunningNode, tip: Pinned): Promise<NetworkJson> {
  const { book, driver, open } = node
  const point = await node.executor.call('tip', null)
  const { tip: at, nextValidators } = point
  const status = driver.status()
  const connected = new Map(status.peers.map((peer) => [peer.peer, peer]))
  const own = bytesToHex(book.own)
  const entries = [...book.all]
  const wipes = await Promise.all(entries.map(({ entity }) => wipeJsonOf(node, entity)))
  return {
    ...tip,
    chainId: bytesToHex(open.chainId),
    chainName: open.chainName,
    epoch: epochOf(point).epoch,
    blockHash: bytesToHex(at.blockHash),
    resultHash: bytesToHex(at.resultHash),
    certificate: at.certificate === null ? '' : bytesToHex(encodeCertificate(at.certificate)),
    self: own,
    firstBlock: await node.executor.call('firstBlock', null),
    nodes: entries.map((entry, index) => {
      const link = connected.get(bytesToHex(entry.transportKey))
      const entity = bytesToHex(entry.entity)
      return {
        entity,
        name: entry.name,
        role: entry.role,
        voteKey: bytesToHex(entry.voteKey),
        transportKey: bytesToHex(entry.transportKey),
        host: entry.host,
        port: entry.port,
        listed: entry.listed,
        connected: link !== undefined || entity === own,
        height: entity === own ? tip.height : (link?.claimedHeight ?? null),
        wipe: wipes[index],
      }
    }),
    ...(await pinnedKeys(node)),
    validators: nextValidators.members.map(({ entity, voteKey }) => ({
      entity: bytesToHex(entity),
      voteKey: bytesToHex(voteKey),
    })),
    equivocations: [...(node.proofs?.all ?? [])],
  }
}

/** What the founding document pins. */
async function pinnedKeys({
  executor,
}: RunningNode): Promise<Pick<NetworkJson, 'release' | 'institution'>> {
  const decoded = decodeGenesis(await executor.call('genesis', null))
  const { release, institution } = decoded.ok ? decoded.value : {}
  return { release: quorumJson(release), institution: quorumJson(institution) }
}

const quorumJson = (quorum: KeyQuorum | undefined): NetworkJson['release'] =>
  quorum === undefined ? null : { threshold: quorum.threshold, keys: quorum.keys.map(bytesToHex) }

/** The other nodes: connected or not, and what height they claim. */
export function readPeers(node: RunningNode | undefined, pin: Pinned | undefined) {
  if (node === undefined) return refused('NODE_SEALED')
  const { book, driver } = node
  const connected = new Map(driver.status().peers.map((peer) => [peer.peer, peer]))
  const peers = book.others.map((node) => {
    const link = connected.get(bytesToHex(node.transportKey))
    const height = link?.claimedHeight ?? null
    return { name: node.name, role: node.role, connected: link !== undefined, height }
  })
  return ok({ ...(pin ?? { height: 0, blockTime: 0, stateRoot: '' }), peers })
}

/**
 * Signs that this node, or a new vote key of it, stands at the newest block. Codes: NOT_AT_TIP,
 * REQUEST_MALFORMED.
 */
export async function readinessOf(
  node: RunningNode,
  action: Exclude<ValidatorActionName, 'remove'>,
  replaced: string | undefined,
): Promise<Outcome<ReadinessJson>> {
  if (!(await node.caughtUp())) return refused('NOT_AT_TIP', `${node.driver.status().lag} blocks behind`)
  const { tip } = await node.executor.call('tip', null)
  const entity = action === 'replace' ? hexToBytes(replaced ?? '') : node.entity
  if (entity?.length !== 32) return refused('REQUEST_MALFORMED', 'entity')
  const key: SigningKey = action === 'rotate' ? node.nextVoteKey() : node.identity.vote
  const statement = {
    action: validatorAction[action],
    entity,
    successor: node.entity,
    voteKey: key.publicKey,
    height: BigInt(tip.height),
    resultHash: tip.resultHash,
  }
  const { chainId } = node.open
  const proof = signDetached(key, readinessBytes(chainId, statement))
  // With a new key the present one says so too: an administrator alone cannot choose a key for this node.
  const consent = signDetached(node.identity.vote, consentBytes(chainId, statement))
  return ok({
    action: statement.action,
    entity: bytesToHex(entity),
    successor: bytesToHex(node.entity),
    voteKey: bytesToHex(key.publicKey),
    height: String(tip.height),
    resultHash: bytesToHex(tip.resultHash),
    proof: bytesToHex(proof),
    consent: action === 'rotate' ? bytesToHex(consent) : null,
  })
}
