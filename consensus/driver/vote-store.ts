// What a safety record becomes on disk: one small record and the bodies that it names by hash.

/** Body of a block that the safety record names by hash; content-addressed, so it is written once. */
export interface StoredBody {
  /** Block hash, 32 bytes. */
  readonly hash: Uint8Array
  readonly bytes: Uint8Array
}

/** One durable change of the vote store, all or nothing. */
export interface VoteWrite {
  /** Replaces the previous record. */
  readonly record: Uint8Array
  readonly put: readonly StoredBody[]
  /** Hashes of bodies that no record needs any more. */
  readonly drop: readonly Uint8Array[]
}

export interface VoteStoreContent {
  /** Null: nothing was ever signed with this key here. */
  readonly record: Uint8Array | null
  readonly bodies: readonly StoredBody[]
  /** False: the store was lost, torn or restored from a backup; the key stays silent for a while (R17). */
  readonly clean: boolean
}
