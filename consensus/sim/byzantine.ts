// Nodes that may do anything, at most f of them: which ones, and what they send instead of what a correct
// node would.

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { blockHash, encodeHeader } from '../../runtime/protocol/block.js'
import { encodeCertificate, type Certificate } from '../../runtime/protocol/certificate.js'
import { signingBytes } from '../pbft/signing.js'
import type {
  Block,
  FinalBlock,
  HeartbeatMessage,
  ProposalMessage,
  SignedMessage,
  ViewChangeMessage,
  VoteMessage,
  WireMessage,
} from '../pbft/types.js'
import { executeBlock, rootsOf, transactionKinds, type SimTransaction } from './app.js'
import { carry } from './delivery.js'
import { storedFrom } from './disk.js'
import { lagBehindVersions, scheduleAmnesia, scheduleClone, scheduleRestore } from './lame.js'
import { fakeHash, fakeSign, keyOf } from './fake-crypto.js'
import { fired, isOn, type FaultId } from './faults.js'
import { createNode, simChainId } from './node.js'
import { after, type Attack, type SimNode, type World } from './world.js'

/** Chooses the Byzantine, lame and forgetful nodes of this run: together at most f. */
export function setByzantine(world: World): void {
  const { random, options, plan } = world
  const faultsMax = Math.floor((options.validators - 1) / 3)
  const victims = random.shuffle(world.nodes.filter((node) => node.slot < options.validators))
  // Leaders do the most harm: half of the time the first one is among the bad.
  if (random.chance(0.5)) victims.push(...victims.splice(victims.indexOf(world.nodes[0]), 1))
  let left = faultsMax
  const take = (): SimNode | undefined => {
    if (left === 0) return undefined
    left -= 1
    return victims.pop()
  }
  const attacks = attackIds.filter((id) => isOn(plan, id))
  if (options.byzantine)
    while (left > 0 && attacks.length > 0 && random.chance(0.8)) corrupt(world, take()!, attacks)
  if (options.twins || (options.byzantine && isOn(plan, 'F30'))) {
    const count = options.twins ? left : Math.min(left, 1)
    for (let copy = 0; copy < count; copy += 1) twin(world, take()!)
  }
  if (isOn(plan, 'F37') && random.chance(0.3)) {
    const lame = take()
    if (lame !== undefined) lame.divergesAt = random.between(2, 12)
  }
  if (isOn(plan, 'F34') && random.chance(0.4)) {
    const late = take()
    if (late !== undefined) lagBehindVersions(world, late)
  }
  if (isOn(plan, 'F18') && random.chance(0.5)) {
    const copied = take()
    if (copied !== undefined && random.chance(0.5)) scheduleClone(world, copied)
    else if (copied !== undefined) scheduleRestore(world, copied)
  }
  if (isOn(plan, 'F15') && random.chance(0.5)) {
    const forgetful = take()
    if (forgetful !== undefined) scheduleAmnesia(world, forgetful)
  }
  // A set that shrinks to four members tolerates one fault only: with more bad nodes it may not shrink.
  world.mayChangeMembers = faultsMax - left <= 1
}

/** F30: a second, unmodified replica with the same key, seen by other peers. */
function twin(world: World, node: SimNode): void {
  const copy = createNode(world, world.nodes.length, node.index)
  world.nodes.push(copy)
  node.isCorrect = false
  copy.isCorrect = false
  const split = () => {
    for (const half of [node, copy]) {
      const visible = world.nodes.filter(() => world.random.chance(0.6)).map((other) => other.slot)
      world.twinSides.set(half.slot, new Set(visible))
    }
    if (world.isFaulty) after(world, world.random.exponential(2_000), split)
  }
  split()
}

function corrupt(world: World, node: SimNode, ids: readonly FaultId[]): void {
  const chosen = ids.filter(() => world.random.chance(0.7))
  const mine = chosen.length === 0 ? [world.random.pick(ids)] : chosen
  node.isCorrect = false
  const parts = mine.map((id) => ({ id, attack: attackTable[id]! }))
  if (mine.includes('F22')) censor(world, node)
  world.attacks.set(node.slot, (at, from, to, message) => {
    let messages: readonly WireMessage[] = [message]
    for (const { id, attack } of parts) {
      messages = messages.flatMap((item) => {
        const result = attack(at, from, to, item)
        if (result.length !== 1 || result[0] !== item) fired(world.plan, id)
        return result
      })
    }
    return messages
  })
}

/**
 * F22: the leader leaves out emergencies, or one half of the clients, or nothing of these; and never makes a
 * block for due work alone. It goes on in liveness mode: others have to notice (L1).
 */
function censor(world: World, node: SimNode): void {
  const { selectTransactions, doesDueWork } = world.checker
  const kind = world.random.below(3)
  const refuses = ({ id, kind: what }: SimTransaction): boolean =>
    kind === 0 ? what === transactionKinds.emergency : kind === 1 && id % 2 === 1
  world.censors.add(node.slot)
  world.checker.selectTransactions = (at, leader, waiting) => {
    const chosen = selectTransactions(at, leader, waiting)
    if (leader.slot !== node.slot) return chosen
    const kept = chosen.filter((transaction) => !refuses(transaction))
    if (kept.length < chosen.length) fired(at.plan, 'F22')
    return kept
  }
  world.checker.doesDueWork = (leader) => {
    if (leader.slot !== node.slot) return doesDueWork(leader)
    fired(world.plan, 'F22')
    return false
  }
}

// --------------------------------------------------------------------------------------------- attacks

function sign<M extends SignedMessage>(node: SimNode, message: M): M {
  const member = node.app.next.find((candidate) => candidate.index === node.index)
  const key = keyOf(node.index, member?.rotation ?? 0)
  const bytes = signingBytes(message, simChainId, fakeHash)
  return { ...message, signature: fakeSign(key, bytes) }
}

const isOwn = (from: SimNode, message: WireMessage): message is SignedMessage =>
  'signature' in message && equalBytes(message.sender, from.entity)

const isVote = (message: WireMessage): message is VoteMessage =>
  message.type === 'prepare' || message.type === 'commit'

const noise = (world: World): Uint8Array => fakeHash(new Uint8Array([world.random.below(256)]))

/** F20: each peer gets one of up to three blocks. */
const equivocate: Attack = (_world, from, to, message) => {
  if (message.type !== 'proposal' || !isOwn(from, message)) return [message]
  const { header, payload } = message.block
  const isFresh = equalBytes(header.proposer, from.entity) && header.view === message.view
  const variant = to.slot % 3
  if (!isFresh || variant === 0) return [message]
  const block = { header: { ...header, time: header.time + variant }, payload }
  return [sign(from, { ...message, block })]
}

/** F21: proposals never leave, or leave just before the others give up. */
const stayLate: Attack = (world, from, to, message) => {
  if (message.type !== 'proposal' || !world.random.chance(0.5)) return [message]
  if (world.random.chance(0.5)) return []
  after(world, world.random.between(600, 1_050), () => carry(world, from, to, message))
  return []
}

/** F23: headers and payloads that no correct node may vote for. */
const proposeInvalid: Attack = (world, from, _to, message) => {
  // By turns with honest blocks: a view that nobody can use is left, and the next one has to work.
  const turnMs = world.options.faultMs < 2_000 ? 400 : 2_000
  if (message.type !== 'proposal' || !isOwn(from, message) || Math.floor(world.now / turnMs) % 2 === 0)
    return [message]
  const { header, payload } = message.block
  const wrong = fakeHash(new Uint8Array([header.height % 256, message.view % 256]))
  const twice = new Uint8Array(payload.length * 2)
  twice.set(payload)
  twice.set(payload, payload.length)
  const blocks: Block[] = [
    { header: { ...header, time: header.time + 20_000 }, payload },
    { header: { ...header, time: 1 }, payload },
    { header: { ...header, parentResultHash: wrong }, payload },
    { header: { ...header, parentHash: wrong }, payload },
    { header: { ...header, parentCertificateHash: wrong }, payload },
    { header: { ...header, validatorsHash: wrong }, payload },
    { header: { ...header, height: header.height + 1 }, payload },
    { header: { ...header, proposer: wrong }, payload },
    { header: { ...header, transactionRoots: rootsOf(twice) }, payload: twice },
    { header, payload: twice },
  ]
  // The same to all: only a block that reaches a quorum shows a missing check.
  const choice = (header.height * 7 + message.view + world.options.seed) % blocks.length
  return [
    sign(from, {
      ...message,
      block: world.random.chance(0.8) ? blocks[choice] : world.random.pick(blocks),
    }),
  ]
}

/** F24: another result or block to some peers, or both votes to one. */
const voteTwice: Attack = (world, from, _to, message) => {
  if (!isVote(message) || !world.random.chance(0.4)) return [message]
  const other = world.random.chance(0.5)
    ? sign(from, { ...message, resultHash: noise(world) })
    : sign(from, { ...message, blockHash: noise(world) })
  return world.random.chance(0.5) ? [other] : [message, other]
}

/** F25: votes reach only some: hidden locks, certificates that only one peer can form. */
const withhold: Attack = (world, _from, to, message) => {
  if (message.type === 'heartbeat' || !world.random.chance(0.5)) return [message]
  const isHidden = (to.slot + Math.floor(world.now / 3_000)) % 2 === 0
  return isVote(message) && isHidden ? [] : [message]
}

function forge(world: World, certificate: Certificate, memberCount: number): Certificate {
  const all = Array.from({ length: memberCount }, (_, index) => index)
  const [signature] = certificate.signatures
  const forgeries: Certificate[] = [
    { ...certificate, blockHash: noise(world) },
    { ...certificate, resultHash: noise(world) },
    { ...certificate, view: certificate.view + 1 },
    {
      ...certificate,
      signers: all.map(() => certificate.signers[0]),
      signatures: all.map(() => signature),
    },
    { ...certificate, signers: certificate.signers.slice(1), signatures: certificate.signatures.slice(1) },
    { ...certificate, signers: all, signatures: all.map(() => signature) },
  ]
  return world.random.pick(forgeries)
}

/**
 * A "quorum" of one: the own valid signature as often as members are needed, in the own name (no wire carries
 * that) or in everybody's.
 */
function selfCertified(
  world: World,
  from: SimNode,
  phase: 'prepare' | 'commit',
  subject: { height: number; view: number; blockHash: Uint8Array; resultHash: Uint8Array },
): Certificate {
  const members = from.core?.validators.members ?? []
  const index = members.findIndex((member) => equalBytes(member.entity, from.entity))
  const vote = { type: phase, epoch: 0, ...subject, sender: from.entity, signature: new Uint8Array(64) }
  const { signature } = sign<VoteMessage>(from, vote)
  const isOwnName = world.random.chance(0.5)
  return {
    ...subject,
    signers: members.map((_, at) => (isOwnName ? Math.max(0, index) : at)),
    signatures: members.map(() => signature),
  }
}

/** A leader that is bound by a lock and proposes a block of its own. */
function ignoreLock(from: SimNode, message: ProposalMessage): ProposalMessage {
  const { header, payload } = message.block
  const own = { ...header, view: message.view, proposer: from.entity, time: header.time + 7 }
  return sign(from, { ...message, block: { header: own, payload } })
}

/** A justification with a member twice, one too few, a lock hidden, or a view change in somebody's name. */
function misjustify(world: World, from: SimNode, message: ProposalMessage): ProposalMessage {
  const [first, ...rest] = message.justification
  const present = new Set(message.justification.map((item) => bytesToHex(item.sender)))
  const absent = from.core?.validators.members.find((member) => !present.has(bytesToHex(member.entity)))
  const justification = world.random.pick([
    rest,
    [first, first, ...rest.slice(1)],
    [{ ...first, prepared: null }, ...rest],
    [...rest, { ...first, sender: absent?.entity ?? first.sender }],
  ])
  return sign(from, { ...message, justification })
}

/** Evidence that frames an honest member: one vote that it may have sent, and one with a made-up
 * signature. */
function frame(world: World, from: SimNode, message: SignedMessage): WireMessage[] {
  const honest = from.core?.validators.members.filter((member) => !equalBytes(member.entity, from.entity))
  if (honest === undefined || honest.length === 0) return []
  const { epoch, height, view, signature } = message
  const { entity: sender } = world.random.pick(honest)
  const pair = { blockHash: noise(world), resultHash: noise(world) }
  const first: VoteMessage = { type: 'prepare', epoch, height, view, sender, signature, ...pair }
  return [{ type: 'evidence', epoch, first, second: { ...first, blockHash: sender } }]
}

/** F26: locks, parent certificates and evidence that were never signed. */
const forgeCertificates: Attack = (world, from, _to, message) => {
  if (!isOwn(from, message) || !world.random.chance(0.5)) return [message]
  if (isVote(message) && world.random.chance(0.3)) return [message, ...frame(world, from, message)]
  const memberCount = from.core?.validators.members.length ?? 4
  if (message.type === 'viewChange') {
    const base = message.prepared ?? message.lastCertificate
    if (base === null) return [message]
    const { height, lastCertificate } = message
    if (lastCertificate !== null && world.random.chance(0.3)) {
      const parent = forge(world, lastCertificate, memberCount)
      return [sign<ViewChangeMessage>(from, { ...message, lastCertificate: parent })]
    }
    const subject = { height, view: message.view - 1, blockHash: noise(world), resultHash: noise(world) }
    const forged = { ...forge(world, base, memberCount), height, view: Math.max(0, message.view - 1) }
    const prepared = world.random.chance(0.5) ? forged : selfCertified(world, from, 'prepare', subject)
    return [sign<ViewChangeMessage>(from, { ...message, prepared })]
  }
  if (message.type !== 'proposal') return [message]
  if (message.justification.length > 0 && world.random.chance(0.4)) return [ignoreLock(from, message)]
  if (message.justification.length > 0) return [misjustify(world, from, message)]
  if (message.parentCertificate === null) return [message]
  return [forgeParent(from, message, forge(world, message.parentCertificate, memberCount))]
}

/** By turns under a header that names the forged certificate and under one that names the real one. */
function forgeParent(from: SimNode, message: ProposalMessage, forged: Certificate): ProposalMessage {
  const { header, payload } = message.block
  const parentCertificateHash = fakeHash(encodeCertificate(forged))
  const isNamed = header.height % 2 === 0
  const block = isNamed ? { header: { ...header, parentCertificateHash }, payload } : message.block
  return sign<ProposalMessage>(from, { ...message, block, parentCertificate: forged })
}

/** F27: asks for views that nobody needs, near and absurdly far. */
const runAway: Attack = (world, from, _to, message) => {
  if (!isOwn(from, message) || !world.random.chance(0.1)) return [message]
  const { core } = from
  if (core === null) return [message]
  const view = core.view + world.random.pick([1, 1, 2, 5, 1_000, 2 ** 31])
  const spurious: ViewChangeMessage = {
    type: 'viewChange',
    epoch: 0,
    height: core.height,
    view,
    sender: from.entity,
    signature: message.signature,
    prepared: core.prepared,
    lastCertificate: core.tip.certificate,
  }
  return [message, sign(from, spurious)]
}

/** F9: far heights, huge views, many of them. */
const flood: Attack = (world, from, _to, message) => {
  if (message.type !== 'heartbeat' || !world.random.chance(0.3)) return [message]
  const far = Array.from({ length: 12 }, (_, index) => {
    const height = message.height + world.random.pick([1, 2, 50, 2 ** 40])
    const view = world.random.pick([0, index, world.random.below(2 ** 20), 2 ** 32 - 1])
    const base = { ...message, height, view, blockHash: noise(world) }
    const type = world.random.pick(['prepare', 'commit', 'heartbeat'] as const)
    return type === 'heartbeat'
      ? sign<HeartbeatMessage>(from, base)
      : sign<VoteMessage>(from, { ...base, type })
  })
  return [message, ...far]
}

/** A block of its own, certified by its own signature alone. */
function selfFinal(world: World, from: SimNode, final: FinalBlock): FinalBlock {
  const block = { ...final.block, header: { ...final.block.header, time: final.block.header.time + 3 } }
  const { height } = block.header
  const [stored] = storedFrom(from.disk, height - 1, 1)
  const before = stored?.app
  const outcome = before === undefined ? null : executeBlock(before, block.header, block.payload)
  if (outcome === null) return final
  const subject = {
    height,
    view: 0,
    blockHash: blockHash(fakeHash, encodeHeader(block.header)),
    resultHash: outcome.resultHash,
  }
  return { block, result: outcome.result, certificate: selfCertified(world, from, 'commit', subject) }
}

/** F29: final blocks with another payload, result or certificate, or of another height. */
export const lieToSync: Attack = (world, from, _to, message) => {
  if (message.type !== 'blocks' || !world.random.chance(0.7)) return [message]
  const blocks = message.blocks.map((final): FinalBlock => {
    const { block, result, certificate } = final
    return world.random.pick<FinalBlock>([
      { ...final, block: { ...block, payload: new Uint8Array(8) } },
      { ...final, block: { ...block, header: { ...block.header, height: block.header.height + 1 } } },
      { ...final, block: { ...block, header: { ...block.header, time: block.header.time + 1 } } },
      { ...final, result: { ...result, stateRoot: noise(world) } },
      { ...final, result: { ...result, nextValidatorsHash: noise(world) } },
      { ...final, certificate: forge(world, certificate, 4) },
      selfFinal(world, from, final),
      final,
    ])
  })
  return world.random.chance(0.2) ? [] : [{ ...message, blocks }]
}

/** F31: one field of an honest message, a little off. */
const mutate: Attack = (world, from, _to, message) => {
  if (!isOwn(from, message) || !world.random.chance(0.1)) return [message]
  const delta = world.random.pick([-1, 1])
  const { view, height } = message
  const changed: SignedMessage = world.random.pick<SignedMessage>([
    { ...message, view: Math.max(0, view + delta) },
    { ...message, height: Math.max(0, height + delta) },
    'resultHash' in message
      ? { ...message, resultHash: message.blockHash }
      : { ...message, view: view + 1 },
  ])
  return [sign(from, changed)]
}

const attackTable: Partial<Record<FaultId, Attack>> = {
  F9: flood,
  F20: equivocate,
  F21: stayLate,
  F22: (_world, _from, _to, message) => [message],
  F23: proposeInvalid,
  F24: voteTwice,
  F25: withhold,
  F26: forgeCertificates,
  F27: runAway,
  F29: lieToSync,
  F31: mutate,
}
const attackIds = Object.keys(attackTable) as FaultId[]
