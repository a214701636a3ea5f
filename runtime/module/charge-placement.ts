// Moves charges between blocks so that fewer of them run. Between two settled points nothing can see the
// counter, hence a price may move along the paths of the block graph as long as every path between settled
// points pays the same. A ladder of `if ... else if ...` then pays once, where it ends, instead of once at
// every rung.

import type { Edit } from './fuel-blocks.js'

/** A charge with its place in the block graph. */
export interface BlockCharge extends Edit {
  readonly predecessors: BlockCharge[]
  readonly successors: BlockCharge[]
  /** A loop's head is reached from below too: nothing moves across it. */
  isLoopHead: boolean
}

/**
 * Moves prices and marks where the local may be behind the global. `blocks` are in the order of the code.
 */
export function placeCharges(blocks: readonly BlockCharge[]): void {
  for (const block of blocks) moveDown(block)
  for (let index = blocks.length - 1; index >= 0; index--) moveUp(blocks[index])
  for (const block of blocks) markBehind(block)
}

/** A block that is always followed by blocks of its own, each with a price, hands its price on to them. */
function moveDown(block: BlockCharge): void {
  if (block.isSettling || block.price === 0 || block.successors.length === 0) return
  const isOwn = block.successors.every(
    (next) => next.price > 0 && !next.isLoopHead && next.predecessors.length === 1,
  )
  if (!isOwn) return
  for (const next of block.successors) next.price += block.price
  block.price = 0
}

/** A block whose predecessors all lead only here, each with a price, is paid by them. */
function moveUp(block: BlockCharge): void {
  if (block.isLoopHead || block.isReloading || block.price === 0 || block.predecessors.length === 0) return
  const isOwn = block.predecessors.every(
    (before) => before.price > 0 && !before.isSettling && before.successors.length === 1,
  )
  if (!isOwn) return
  for (const before of block.predecessors) before.price += block.price
  block.price = 0
}

function markBehind(block: BlockCharge): void {
  block.isBehind =
    block.isLoopHead ||
    block.predecessors.some((before) => !before.isSettling && (before.price > 0 || before.isBehind))
}
