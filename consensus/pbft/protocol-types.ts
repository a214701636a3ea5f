// The formats of runtime/protocol that the core reads.

/** Milliseconds, 32-byte hashes and checked safe integers. */
export interface BlockHeader {
  readonly version: number
  readonly appVersion: number
  readonly chainId: Uint8Array
  readonly epoch: number
  readonly height: number
  readonly view: number
  readonly time: number
  readonly proposer: Uint8Array
  readonly parentHash: Uint8Array
  readonly parentResultHash: Uint8Array
  readonly parentCertificateHash: Uint8Array
  readonly transactionRoots: readonly Uint8Array[]
  readonly validatorsHash: Uint8Array
}

export interface BlockResult {
  readonly stateRoot: Uint8Array
  readonly receiptsRoot: Uint8Array
  readonly nextValidatorsHash: Uint8Array
  readonly fuelUsed: number
  readonly nextDueTime: number
}

export interface Certificate {
  readonly view: number
  readonly blockHash: Uint8Array
  readonly resultHash: Uint8Array
  /** One bit for each member in set order, bit 0 of byte 0 first. */
  readonly signers: Uint8Array
  /** One 64-byte signature for each set bit, in order. */
  readonly signatures: readonly Uint8Array[]
}
