// Questions about what changes (grants, roles, keys, the tip): asked of the executor, whose tree vouches for
// the rows, as long as it lives. When its thread has died nothing changes here any more; then the reader
// answers from the rows as they lie sealed in the store, so that a patient's chart can be read on until
// somebody restarts the node. A seal shows that we wrote a row, not that it is the newest.
import type { ExecutorCalls } from '../executor/messages.js'
import type { RunningNode } from './running-node.js'

type Question = 'view' | 'pin' | 'keyState'

export async function askState<Q extends Question>(
  { executor, readers }: Pick<RunningNode, 'executor' | 'readers'>,
  question: Q,
  argument: ExecutorCalls[Q][0],
): Promise<ExecutorCalls[Q][1]> {
  try {
    return await executor.call(question, argument)
  } catch (error) {
    if (!executor.isDead) throw error
    return readers.call(question, argument)
  }
}
