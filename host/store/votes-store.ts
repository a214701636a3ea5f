// The votes environment: what consensus must remember before it speaks. Small, synced before every send,
// never restored from a backup. Implements the driver's `VoteStore` port (consensus/net).
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { StoredBody, VoteStore, VoteStoreContent, VoteWrite } from '../../consensus/net/ports.js'
import { DataKey } from './data-key.js'
import { SealedEnvironment } from './sealed-environment.js'
import { readSealedFile, writeSealedFile } from './sealed-file.js'
import { randomBytes } from './sodium.js'
import { table, votesTables } from './tables.js'

const recordKey = Buffer.from('record', 'latin1')
const tokenKey = Buffer.from('token', 'latin1')
const tokenBytes = 16
/** Present from the start at which the record was found lost until a new one is on disk. */
const uncleanKey = Buffer.from('unclean', 'latin1')

export interface VotesStoreOptions {
  /**
   * True when the node is founded. Otherwise a missing file means that it was lost: `load().clean` is
   * false.
   */
  create?: boolean
}

export class VotesStore implements VoteStore {
  readonly #environment: SealedEnvironment
  readonly #ownKey: DataKey | undefined
  #clean: boolean

  private constructor(environment: SealedEnvironment, ownKey: DataKey | undefined, clean: boolean) {
    this.#environment = environment
    this.#ownKey = ownKey
    this.#clean = clean
  }

  /**
   * Opens `<folder>/votes.lmdb`. A random token is renewed at each start, in the environment and in a file
   * beside it; an environment that was put back from a copy of an earlier start does not know the file's
   * token.
   */
  static open(folder: string, key: DataKey | Uint8Array, options: VotesStoreOptions = {}): VotesStore {
    const ownKey = key instanceof DataKey ? undefined : DataKey.fromBytes(key)
    const dataKey = ownKey ?? (key as DataKey)
    const environment = new SealedEnvironment({ folder, space: 'votes', tables: votesTables, dataKey })
    try {
      const tokenPath = join(folder, 'votes.token')
      const isFounding = options.create === true && environment.isNew && !existsSync(tokenPath)
      const remembered = readSealedFile(tokenPath, dataKey)
      const held = environment.get(
        table.voteToken,
        storedKey(environment, table.voteToken, tokenKey),
        tokenKey,
      )
      const uncleanPlace = storedKey(environment, table.voteToken, uncleanKey)
      const wasUnclean = environment.get(table.voteToken, uncleanPlace, uncleanKey) !== undefined
      const clean = !wasUnclean && (isFounding || isOneOf(remembered, held))
      // Marked before the token is renewed: a crash in between must not turn a lost record into a clean one.
      if (!clean) markUnclean(environment)
      renewToken(environment, tokenPath, dataKey, remembered)
      return new VotesStore(environment, ownKey, clean)
    } catch (error) {
      void environment.close()
      ownKey?.close()
      throw error
    }
  }

  load(): VoteStoreContent {
    const environment = this.#environment
    const key = storedKey(environment, table.voteRecord, recordKey)
    const record = environment.get(table.voteRecord, key, recordKey) ?? null
    const bodies: StoredBody[] = []
    const sealer = environment.sealer(table.voteBody)
    const end = Buffer.from([table.voteBody + 1])
    for (const { storedKey, record } of environment.range(Buffer.from([table.voteBody]), end)) {
      const { trueKey, value } = sealer.openEntry(storedKey, record)
      bodies.push({ hash: trueKey, bytes: value })
    }
    return { record, bodies, clean: this.#clean }
  }

  /**
   * Returns when everything is on disk (fdatasync). Throws StoreError when it is not; nothing is half
   * written.
   */
  persist(write: VoteWrite): void {
    const environment = this.#environment
    environment.write(() => {
      const key = storedKey(environment, table.voteRecord, recordKey)
      environment.put(table.voteRecord, key, recordKey, write.record)
      for (const { hash, bytes } of write.put) {
        environment.put(table.voteBody, storedKey(environment, table.voteBody, hash), hash, bytes)
      }
      for (const hash of write.drop) environment.remove(storedKey(environment, table.voteBody, hash))
      // The core persists again only when its silence is over (R17): from now on this store knows all.
      if (!this.#clean) environment.remove(storedKey(environment, table.voteToken, uncleanKey))
    })
    this.#clean = true
  }

  get fileBytes(): number {
    return this.#environment.fileBytes
  }

  async close(): Promise<void> {
    this.#ownKey?.close()
    await this.#environment.close()
  }
}

/** Opens the votes environment of a node; see `VotesStore.open`. */
export function openVotesStore(
  folder: string,
  dataKey: DataKey | Uint8Array,
  options?: VotesStoreOptions,
): VotesStore {
  return VotesStore.open(folder, dataKey, options)
}

type VoteTable = typeof table.voteRecord | typeof table.voteBody | typeof table.voteToken

function storedKey(environment: SealedEnvironment, id: VoteTable, trueKey: Uint8Array): Buffer {
  const stored = Buffer.alloc(17)
  stored[0] = id
  environment.sealer(id).hideKey(trueKey, stored, 1)
  return stored
}

function markUnclean(environment: SealedEnvironment): void {
  environment.write(() => {
    const key = storedKey(environment, table.voteToken, uncleanKey)
    environment.put(table.voteToken, key, uncleanKey, new Uint8Array([1]))
  })
}

/**
 * The environment keeps the newest two tokens, so that a crash between the two writes does not look like a
 * copy.
 */
function renewToken(
  environment: SealedEnvironment,
  tokenPath: string,
  dataKey: DataKey,
  remembered: Uint8Array | undefined,
): void {
  const token = randomBytes(tokenBytes)
  const both = Buffer.concat([token, remembered ?? new Uint8Array(tokenBytes)])
  environment.write(() => {
    environment.put(table.voteToken, storedKey(environment, table.voteToken, tokenKey), tokenKey, both)
  })
  writeSealedFile(tokenPath, dataKey, token)
}

function isOneOf(token: Uint8Array | undefined, held: Uint8Array | undefined): boolean {
  if (token === undefined || held === undefined) return false
  return [0, tokenBytes].some((at) => Buffer.compare(token, held.subarray(at, at + tokenBytes)) === 0)
}
