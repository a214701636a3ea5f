// Holds a node's folder while something else than the node works on it: the locks of both environments
// are ours.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { nodeFiles } from '../node/node-config.js'
import { StoreError } from '../store/index.js'
import { StoreLock } from '../store/store-lock.js'
import { ApplianceError } from './appliance-error.js'

export interface NodeHold {
  release(): void
}

/**
 * Throws NODE_RUNNING while an unsealed node (or another tool) holds it. A dead owner's locks are
 * taken over. For a wipe only a living owner counts: a disk that is full takes no lock, and must not keep its
 * keys for that.
 */
export function holdNode(folder: string, { forWipe = false } = {}): NodeHold {
  const files = nodeFiles(folder)
  const locks: StoreLock[] = []
  const release = (): void => {
    for (const lock of locks.splice(0)) lock.release()
  }
  for (const [environment, name] of [
    [files.chain, 'chain.owner'],
    [files.votes, 'votes.owner'],
  ]) {
    if (!existsSync(environment)) continue
    const owner = path.join(environment, name)
    try {
      locks.push(StoreLock.take(owner))
    } catch (error) {
      if (forWipe && !StoreLock.isHeld(owner)) continue
      release()
      if (error instanceof StoreError && error.code === 'STORE_LOCKED') {
        throw new ApplianceError('NODE_RUNNING', error.message, error)
      }
      throw error
    }
  }
  return { release }
}
