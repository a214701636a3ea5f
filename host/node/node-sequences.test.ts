// Two processes that sign with the same key do not choose the same sequence.
import t from 'tap'
import { sequenceJumpMax, sequenceWindow } from '../../runtime/protocol/index.js'
import { NodeSequences, streamOfNode, type RandomBelow } from './node-sequences.js'

const keyId = new Uint8Array(16)

/** What the chain says: the highest final sequence of each stream. */
class Chain {
  readonly highest = new Map<number, number>()
  call(_method: 'sequence', { stream }: { stream: number }): Promise<number> {
    return Promise.resolve(this.highest.get(stream) ?? -1)
  }
  settle(stream: number, sequence: number): void {
    this.highest.set(stream, Math.max(sequence, this.highest.get(stream) ?? -1))
  }
}

/** Deterministic noise (Park and Miller), so that a failure can be seen again. */
function noise(seed: number): RandomBelow {
  let state = seed
  return (limit) => {
    state = (state * 48_271) % 2_147_483_647
    return state % limit
  }
}

t.test('one process: no gap after the first', async (t) => {
  const chain = new Chain()
  chain.settle(0, 99)
  const sequences = new NodeSequences(chain, () => 0)
  const first = await sequences.next(keyId, 0)
  t.equal(first, 100 + 256)
  t.equal(await sequences.next(keyId, 0), first + 1, 'several may be under way')
  chain.settle(0, first + 1)
  t.equal(await sequences.next(keyId, 0), first + 2)
})

t.test('a restarted process reuses nothing that is under way, and outruns nothing', async (t) => {
  for (const [before, after] of [
    [0, 0],
    [255, 0],
    [0, 255],
    [255, 255],
  ]) {
    const chain = new Chain()
    chain.settle(0, 10)
    const old = new NodeSequences(chain, () => before)
    chain.settle(0, await old.next(keyId, 0))
    const underWay: number[] = []
    for (let count = 0; count < 256; count += 1) underWay.push(await old.next(keyId, 0))
    const first = await new NodeSequences(chain, () => after).next(keyId, 0)
    t.notOk(underWay.includes(first))
    t.ok(Math.min(...underWay) > first - sequenceWindow, 'the old ones are still in the window')
    t.ok(first - 10 < sequenceJumpMax)
  }
})

t.test('two workstations of a network sign on streams of their own', async (t) => {
  const streams = Array.from({ length: 16 }, (_, index) => streamOfNode(index))
  t.equal(new Set(streams).size, 16)
  t.equal(streamOfNode(16), 0)
})

t.test('two that share a stream draw at the same time and seldom meet', async (t) => {
  const chain = new Chain()
  const first = new NodeSequences(chain, noise(7))
  const second = new NodeSequences(chain, noise(11))
  let met = 0
  const rounds = 400
  for (let round = 0; round < rounds; round += 1) {
    const drawn = await Promise.all([first.next(keyId, 0), second.next(keyId, 0)])
    if (drawn[0] === drawn[1]) met += 1
    chain.settle(0, drawn[round % 2])
  }
  t.ok(met < rounds / 20, `${met} of ${rounds} rounds`)
})
