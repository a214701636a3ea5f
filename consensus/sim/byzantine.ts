// Nodes that may do anything, at most f of them: what they send instead of what a correct node would.

import type { World } from './world.js'

/** Chooses the Byzantine nodes of this run and what they do. */
export function setByzantine(_world: World): void {
  return
}
