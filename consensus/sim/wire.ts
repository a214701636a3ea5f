// What a wire can carry: messages go through the real codec now and then, those of attackers always.

import { decodeMessage, encodeMessage } from '../pbft/message-codec.js'
import type { WireMessage } from '../pbft/types.js'
import { fired, isOn } from './faults.js'
import { simChainId } from './node.js'
import type { SimNode, World } from './world.js'

/**
 * Now and then through the real codec: what is sent is what arrives, or damaged bytes that must do no harm
 * (F8). Whoever sends it, the codec has to take it: what an attacker made up went through `wireForm` before,
 * so nobody can be handed a message that he could not hand on.
 */
export function throughCodec(world: World, message: WireMessage): WireMessage | null {
  if (!world.random.chance(0.02)) return message
  const bytes = encodeMessage(message, simChainId)
  if (world.isFaulty && isOn(world.plan, 'F8') && world.random.chance(0.3)) {
    fired(world.plan, 'F8')
    const damaged = Uint8Array.from(bytes.subarray(0, bytes.length - world.random.below(3)))
    damaged[world.random.below(damaged.length)] ^= 1 << world.random.below(8)
    const foreign = decodeMessage(damaged, simChainId)
    return foreign.ok ? foreign.value : null
  }
  const decoded = decodeMessage(bytes, simChainId)
  if (decoded.ok) return decoded.value
  throw new Error(`codec refused its own message: ${decoded.code}`)
}

/** Most of an attacker's messages are honest ones that go to several peers: encoded once. */
const forms = new WeakMap<WireMessage, { readonly message: WireMessage | null }>()

/**
 * What arrives of a message that an attacker may have made up: null when no decoder lets it in, for then it
 * ends at the first wire. Such a message is counted and never reaches a correct node.
 */
export function wireForm(world: World, from: SimNode, message: WireMessage): WireMessage | null {
  if (!mayLie(world, from)) return message
  const form = forms.get(message) ?? { message: reread(message) }
  forms.set(message, form)
  if (form.message === null) world.unsendable += 1
  return form.message
}

/** Attackers while faults last; in the last part of a run also the peers that lie to one observer (L7). */
const mayLie = ({ attacks, onlyHonestUpstream }: World, from: SimNode): boolean =>
  attacks.has(from.slot) || onlyHonestUpstream !== null

function reread(message: WireMessage): WireMessage | null {
  try {
    const decoded = decodeMessage(encodeMessage(message, simChainId), simChainId)
    return decoded.ok ? decoded.value : null
  } catch {
    // A number that no field has room for: not even the attacker's own encoder takes it.
    return null
  }
}
