// Twins, systematically: two unmodified replicas with one key, and every sequence of partitions over a few
// rounds.
// Source: Bano et al., "Twins: BFT Systems Made Robust", OPODIS 2021.

import { createNode, startNode } from './node.js'
import { cut, heal } from './network.js'
import { conclude, createWorld, runUntil, simDefaults, type Verdict } from './run.js'
import { register, submit } from './schedule.js'
import { transactionKinds } from './app.js'
import { after, type SimNode, type Watch, type World } from './world.js'

const honestCount = 3
/** Each honest node is with the first or the second twin; one more choice lets everybody talk. */
const choicesPerRound = 2 ** honestCount + 1
const rounds = 4
/** Long enough for a view to time out, so that leaders change between rounds. */
const roundMs = 1_400

/** Twin 0..3 x partition of each round. */
export const twinScenarioCount = 4 * choicesPerRound ** rounds

/** Runs scenario `number` (0 to `twinScenarioCount - 1`): the number alone decides everything. */
export function runTwinScenario(number: number, watch: Watch = {}): Verdict {
  const world = createWorld({ ...simDefaults, seed: number, observers: 0, only: ['F30'], ...watch })
  const twin = number % 4
  const copy = createNode(world, world.nodes.length, twin)
  world.nodes.push(copy)
  world.nodes[twin].isCorrect = false
  copy.isCorrect = false
  return conclude(world, () => {
    for (const node of world.nodes) after(world, 0, () => startNode(world, node))
    let code = Math.floor(number / 4)
    for (let round = 0; round < rounds; round += 1) {
      const choice = code % choicesPerRound
      code = Math.floor(code / choicesPerRound)
      after(world, round * roundMs, () => divide(world, [world.nodes[twin], copy], choice))
      after(world, round * roundMs + 5, () => {
        submit(world, register(world, transactionKinds.plain, 0), world.nodes)
      })
    }
    runUntil(world, rounds * roundMs)
  })
}

/**
 * Bit i of `choice` puts the i-th honest node on the second twin's side; the last choice divides nobody.
 */
function divide(world: World, twins: readonly [SimNode, SimNode], choice: number): void {
  heal(world.network)
  if (choice === choicesPerRound - 1) return
  const honest = world.nodes.filter((node) => node.isCorrect)
  const second = honest.filter((_, at) => (choice >> at) % 2 === 1).map((node) => node.slot)
  const first = honest.filter((_, at) => (choice >> at) % 2 === 0).map((node) => node.slot)
  cut(world.network, [...first, twins[0].slot], [...second, twins[1].slot], false)
}
