// Online backup of a chain store: ciphertext, like the original. The keyslot file is never part of it (a
// backup with its keys is a second store to steal), and neither are the votes: a restored node must not
// remember old votes.
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ChainStore } from './chain-store.js'
import { engineError } from './engine-error.js'

/**
 * Copies `chain.lmdb`, compacted, and `patients.key` into an existing folder while the node runs. An
 * erasure between the two copies makes the backup useless for bodies, which is what an erasure wants.
 * Restoring needs the node's keyslot file, and a new node identity before it votes (README).
 */
export async function backupChainStore(store: ChainStore, folder: string, target: string): Promise<void> {
  await store.environment.backup(join(target, 'chain.lmdb'), true)
  try {
    copyFileSync(join(folder, 'patients.key'), join(target, 'patients.key'))
  } catch (error) {
    throw engineError(error, `copying to ${target}`)
  }
}
