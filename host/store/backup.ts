// Online backup of a chain store: ciphertext, like the original. The keyslot file is never part of it (a
// backup with its keys is a second store to steal), and neither are the votes: a restored node must not
// remember old votes.
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import type { ChainStore } from './chain-store.js'
import { engineError } from './engine-error.js'
import { pageBytes } from './engine-file.js'
import type { Engine } from './sealed-environment.js'

/**
 * Copies `chain.lmdb` and `patients.key` into an existing folder while the node runs. An erasure between the
 * two copies makes the backup useless for bodies, which is what an erasure wants. Restoring needs the
 * node's keyslot file, and a new node identity before it votes (README).
 */
export async function backupChainStore(store: ChainStore, folder: string, target: string): Promise<void> {
  await store.environment.backup(join(target, 'chain.lmdb'))
  try {
    copyFileSync(join(folder, 'patients.key'), join(target, 'patients.key'))
  } catch (error) {
    throw engineError(error, `copying to ${target}`)
  }
}

/** One consistent state of an environment's file that another process may have open. No key is needed. */
export async function copyEnvironmentFile(source: string, target: string): Promise<void> {
  try {
    const options = { path: source, noSubdir: true, pageSize: pageBytes, keyEncoding: 'binary' } as const
    const engine = open({ ...options, readOnly: true }) as unknown as Engine
    try {
      await copyPages(engine, target)
    } finally {
      await engine.close()
    }
  } catch (error) {
    throw engineError(error, `copying ${source}`)
  }
}

/**
 * Free pages go along: the engine's compacting copy (lmdb-js 3.5.6) leaves a list of free pages on which the
 * first transactions may fail or end the process. `ward store compact` makes a restored file small.
 */
export async function copyPages(engine: Engine, target: string): Promise<void> {
  // The second parameter, `compact`, is missing in the types of lmdb-js.
  await (engine as unknown as { backup(to: string, compact: boolean): Promise<void> }).backup(target, false)
}
