// From one node's send to other nodes' events: links, copies, reconnects, and what a Byzantine sender
// makes of it.

import { lieToSync } from './byzantine.js'
import type { WireMessage } from '../pbft/types.js'
import { noteTwin } from './effects.js'
import { fired } from './faults.js'
import { isCutInView, linkOf, transmit, uplinkDelay } from './network.js'
import { showToLightClient } from './light-client.js'
import { receive, simChainId } from './node.js'
import { throughCodec, wireForm } from './wire.js'
import { after, type SimNode, type World } from './world.js'

/** Hands the message to each target; a Byzantine sender's attack may change, drop or add messages. */
export function distribute(
  world: World,
  from: SimNode,
  targets: readonly SimNode[],
  message: WireMessage,
): void {
  const attack = world.attacks.get(from.slot)
  for (const target of targets) {
    if (isLiedTo(world, from, target)) {
      for (const altered of lieToSync(world, from, target, message)) carry(world, from, target, altered)
    } else if (attack === undefined || !world.isFaulty) carry(world, from, target, message)
    else for (const altered of attack(world, from, target, message)) carry(world, from, target, altered)
  }
}

const isLiedTo = ({ onlyHonestUpstream }: World, from: SimNode, to: SimNode): boolean =>
  onlyHonestUpstream?.observer === to.slot && onlyHonestUpstream.upstream !== from.slot

/** One message over one link. */
export function carry(world: World, from: SimNode, to: SimNode, message: WireMessage): void {
  world.messagesSent += 1
  if (!isVisible(world, from, to) || !isVisible(world, to, from)) return
  if (world.twinSides.has(from.slot)) noteTwin(world, from, message)
  if (isCutInView(world.network, world.now, { from: from.slot, to: to.slot }, message))
    return fired(world.plan, 'F2')
  const link = linkOf(from.slot, to.slot)
  const incarnation = world.network.incarnation.get(link) ?? 0
  const form = wireForm(world, from, message)
  const sent = form === null ? null : throughCodec(world, form)
  if (sent === null) return
  const waitMs = uplinkDelay(world.network, world.now, from.slot, sent)
  for (const delay of transmit(world.network, from.slot, to.slot)) {
    after(world, delay + waitMs, () => {
      // F6: lost with the connection that carried it.
      if ((world.network.incarnation.get(link) ?? 0) !== incarnation) return fired(world.plan, 'F6')
      if (world.onCarried !== null) world.onCarried(from, to, sent)
      if (sent.type === 'blocks') {
        for (const final of sent.blocks) showToLightClient(world.lightClient, simChainId, final)
      }
      receive(world, to, from, sent)
    })
  }
}

/** F30: at any time each twin talks to its own part of the peers. */
function isVisible(world: World, node: SimNode, other: SimNode): boolean {
  return world.twinSides.get(node.slot)?.has(other.slot) ?? true
}
