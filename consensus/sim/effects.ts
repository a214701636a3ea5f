// Counters of faults whose effect shows somewhere else than where they are switched on: a counter counts what
// a fault did to somebody, never that it was asked for.

import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { coreDefaults } from '../pbft/config.js'
import type { CoreEvent, WireMessage } from '../pbft/types.js'
import type { SimMember } from './app.js'
import { independentQuorum } from './checker.js'
import { fired, isOn } from './faults.js'
import { clockOf, clockOrigin, type SimNode, type World } from './world.js'

/** F10: a proposal is judged, or made, by a clock outside the allowed skew; or the clock went back. */
export function noteClock(world: World, node: SimNode, event: CoreEvent): void {
  if (!isOn(world.plan, 'F10') || !world.isFaulty) return
  const last = node.clockSeen
  node.clockSeen = event.now
  const isAboutTime =
    event.type === 'payloadReady' || (event.type === 'message' && event.message.type === 'proposal')
  const offMs = Math.abs(clockOf(world, node) - clockOrigin - world.now)
  if (event.now < last || (isAboutTime && offMs > coreDefaults.clockSkewMsMax)) fired(world.plan, 'F10')
}

/** F30: the second copy of a key speaks at a place where the first one did. */
export function noteTwin(world: World, from: SimNode, message: WireMessage): void {
  if (message.type !== 'proposal' && message.type !== 'prepare' && message.type !== 'commit') return
  const place = `${from.index}/${message.type}/${message.height}/${message.view}`
  const first = world.twinVotes.get(place)
  if (first === undefined) world.twinVotes.set(place, from.slot)
  else if (first !== from.slot) fired(world.plan, 'F30')
}

/** F19: the power goes while a quorum runs and somebody has votes of an unfinished height on disk. */
export function isPowerMissed(world: World): boolean {
  const up = world.nodes.filter(({ core }) => (core?.selfIndex ?? -1) >= 0)
  const isUnderWay = up.some(({ disk, app }) => disk.record !== null && disk.record.height > app.height)
  return isUnderWay && up.length >= independentQuorum(world.options.validators)
}

/** F32: a final block changed who votes next, or with which key. */
export function noteMembers(world: World, before: readonly SimMember[], after: readonly SimMember[]): void {
  if (isOn(world.plan, 'F32') && JSON.stringify(before) !== JSON.stringify(after)) fired(world.plan, 'F32')
}

/** F19: the block that has just reached the disk gives this node another key. */
export function isKeyChanged(
  { index }: SimNode,
  before: readonly SimMember[],
  after: readonly SimMember[],
) {
  const rotationIn = (members: readonly SimMember[]) =>
    members.find((member) => member.index === index)?.rotation
  return rotationIn(before) !== undefined && rotationIn(before) !== rotationIn(after)
}

/** F34: a proposal meets a replica of another version. */
export function noteVersion(world: World, node: SimNode, event: CoreEvent): void {
  if (node.appVersion === 1 || event.type !== 'message' || event.message.type !== 'proposal') return
  if (bytesToHex(event.message.sender) !== bytesToHex(node.entity)) fired(world.plan, 'F34')
}
