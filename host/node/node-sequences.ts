// Next sequence numbers of keys that sign here. Several transactions may be under way before the first is
// final, here and, for a person's key, at other workstations:
//
// - Persons sign on a stream of their node (`streamOfNode`): two workstations share one only where a network
//   has more than 16 nodes.
// - The first number after a start lies a random 256..511 above the last final one: what the process before
//   still had under way, up to 256 transactions, lies below it, and still inside the replay window of 1,024.
// - When somebody else's number became final on the same stream (more than 16 nodes, or a tool that signs by
//   itself), the next lies a random 1..64 further, so that both seldom choose the same.
// - Otherwise numbers follow each other without a gap: the window holds 1,024 transactions under way.
//
// A jump stays far below the 2^20 that one step may be. Should two choose the same all the same, the second
// is refused with SEQUENCE_REUSED at once, and nothing of it is stored.
import { randomInt } from 'node:crypto'
import { bytesToHex, sequenceWindow, streamMax } from '../../runtime/protocol/index.js'

/** The executor's part that is asked here. */
export interface SequenceSource {
  call(method: 'sequence', argument: { keyId: Uint8Array; stream: number }): Promise<number>
}

/** Uniform in 0..limit-1. Not secret: it only has to differ from what others choose. */
export type RandomBelow = (limit: number) => number

const startGap = sequenceWindow / 4
const foreignGapMax = 64

/** The stream on which persons sign at the node with this place in the network's list of nodes. */
export const streamOfNode = (nodeIndex: number): number => Math.max(0, nodeIndex) % (streamMax + 1)

export class NodeSequences {
  private readonly last = new Map<string, number>()

  constructor(
    private readonly executor: SequenceSource,
    private readonly randomBelow: RandomBelow = randomInt,
  ) {}

  async next(keyId: Uint8Array, stream: number): Promise<number> {
    const name = `${bytesToHex(keyId)}:${stream}`
    const used = await this.executor.call('sequence', { keyId, stream })
    const next = this.after(used, this.last.get(name))
    this.last.set(name, next)
    return next
  }

  private after(used: number, last: number | undefined): number {
    if (last === undefined) return used + 1 + startGap + this.randomBelow(startGap)
    if (used > last) return used + 2 + this.randomBelow(foreignGapMax)
    return last + 1
  }
}
