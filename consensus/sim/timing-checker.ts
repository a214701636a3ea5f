// Rules about clocks that no liveness bound shows quickly. R22: timeouts have a cap. R3: a leader that was
// given up and not heard since is not waited for again. R21: who has heard f + 1 members ask for higher views
// does not stay below all of them.

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { coreDefaults } from '../pbft/config.js'
import { quorumSizes } from '../pbft/quorum.js'
import { canVote, type CoreState } from '../pbft/state.js'
import type { Action, CoreEvent, ViewChangeMessage } from '../pbft/types.js'
import { fail } from './checker.js'
import type { SimNode, World } from './world.js'

/** R22: only ordinary traffic in view 0 may wait twice as long. */
export function checkTimer(node: SimNode, { id, afterMs }: Extract<Action, { type: 'setTimer' }>): void {
  if (!node.isCorrect || (id !== 'view' && id !== 'silence')) return
  const max = coreDefaults.viewTimeoutMsMax * (node.core!.view === 0 ? 2 : 1)
  if (afterMs > max) fail('R22', node, `a ${id} timer of ${afterMs} ms in view ${node.core!.view}`)
}

/** Where a replica stood before a step. */
interface Place {
  readonly height: number
  readonly view: number
  readonly started: boolean
  readonly leader: Uint8Array | null
  /** VIEW-CHANGEs that it has. */
  readonly asked: readonly ViewChangeMessage[]
}

export function placeOf(core: CoreState): Place {
  const { height, view, started, order, validators } = core
  const leader = order.length === 0 ? undefined : validators.members.at(order[view % order.length])
  return { height, view, started, leader: leader?.entity ?? null, asked: [...core.viewChanges.values()] }
}

/** The rules that one step can break. */
export function checkStep(world: World, node: SimNode, event: CoreEvent, before: Place): void {
  checkSuspicion(world, node, event, before)
  checkFollowing(node, event, before)
}

/**
 * R3: suspicion outlives the height. Whatever a leader signed clears it, also from a relay; the core asks for
 * more than that, so it may suspect longer than this check does, never shorter.
 */
function checkSuspicion(world: World, node: SimNode, event: CoreEvent, before: Place): void {
  const { core } = node
  if (core === null || !node.isCorrect) return
  const known = world.checker.suspects.get(node.slot) ?? new Set<string>()
  world.checker.suspects.set(node.slot, known)
  clear(known, core, event)
  const now = placeOf(core)
  const isGivenUp = before.started && now.height === before.height && now.view > before.view
  const other = before.leader === null || equalBytes(before.leader, node.entity) ? null : before.leader
  if (isGivenUp && hasTimedOut(event) && other !== null) known.add(bytesToHex(other))
  if (known.size === 0 || now.leader === null) return
  const isNew = now.started && (now.height !== before.height || now.view !== before.view || !before.started)
  const mayAct = core.phase === 'running' && canVote(core) && core.decided === null
  if (isNew && mayAct && known.has(bytesToHex(now.leader)))
    fail(
      'R3',
      node,
      `waits at ${now.height}/${now.view} for a leader that it gave up and has not heard since`,
    )
}

/**
 * R21: of f + 1 who left this view one is correct. A VIEW-CHANGE that is new to a replica which may vote
 * takes it along; one that is silent (amnesia, a closed epoch) keeps what it heard and stays.
 */
function checkFollowing(node: SimNode, event: CoreEvent, before: Place): void {
  const { core } = node
  if (core === null || !node.isCorrect || event.type !== 'message') return
  const { message } = event
  if (message.type !== 'viewChange' || before.asked.includes(message)) return
  const asked = [...core.viewChanges.values()]
  if (!asked.includes(message) || core.phase !== 'running' || !canVote(core) || core.decided !== null)
    return
  const higher = asked.filter(({ view }) => view > core.view).length
  if (higher > quorumSizes(core.validators.members.length).f)
    fail('R21', node, `stays at ${core.height}/${core.view} while ${higher} members ask for higher views`)
}

const hasTimedOut = (event: CoreEvent): boolean =>
  event.type === 'timerExpired' && (event.id === 'view' || event.id === 'silence')

function clear(known: Set<string>, core: CoreState, event: CoreEvent): void {
  if (known.size === 0) return
  if (event.type === 'start') known.clear()
  if (event.type === 'blocksReceived') known.delete(bytesToHex(event.from))
  if (event.type === 'message' && 'sender' in event.message) {
    known.delete(bytesToHex(event.message.sender))
  }
  for (const leader of known) if (!core.memberIndexes.has(leader)) known.delete(leader)
}
