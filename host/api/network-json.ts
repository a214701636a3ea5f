// The network's members as the API tells them.
import type { Pinned } from './node-port.js'

export interface NetworkNodeJson {
  entity: string
  name: string
  role: 'validator' | 'observer' | 'gateway'
  voteKey: string
  transportKey: string
  host: string
  port: number
  /** False: removed by governance; nobody talks to it. */
  listed: boolean
  connected: boolean
  /** Best height that it claims; null while it is not connected. */
  height: number | null
  wipe: WipeJson
}

/** How far the wipe of a node by governance is. The certificate's hash is there when it has ended. */
export interface WipeJson {
  /** `unknown`: the contract did not answer. */
  state: 'none' | 'requested' | 'ordered' | 'begun' | 'ended' | 'unknown'
  /** Entities of the two administrators. */
  requestedBy?: string
  confirmedBy?: string
  /** Block of the last order. */
  height?: number
  reason?: string
  certificate?: string
}

/** A vote key that signed two contradicting messages, as it is on the chain: anybody can check it. */
export interface EquivocationJson {
  /** Entity of the node whose key it is or was. */
  accused: string
  key: string
  /** proposal, prepare, commit, viewChange or heartbeat. */
  phase: string
  epoch: number
  height: number
  view: number
  /** Entity of the node that reported it, and the block that keeps it. */
  reporter: string
  keptAt: number
  /** Signed bytes by `consensus/pbft/signing.ts`, and their signatures. */
  first: string
  firstSignature: string
  second: string
  secondSignature: string
}

export interface NetworkJson extends Pinned {
  chainId: string
  chainName: string
  epoch: number
  blockHash: string
  resultHash: string
  /** Certificate of the block at `height`, CBOR as hex; empty at genesis. */
  certificate: string
  /** Entity of this node. */
  self: string
  /** Lowest height whose block this node has; above 0 when its state came by a snapshot. */
  firstBlock: number
  nodes: NetworkNodeJson[]
  /** Keys of the vendor's releases that the founding document pins; null when it names none. */
  release: { threshold: number; keys: string[] } | null
  /** Keys of the institution that the founding document names: they force a set and recover; null: none. */
  institution: { threshold: number; keys: string[] } | null
  /** Who votes on the next block, in order. */
  validators: { entity: string; voteKey: string }[]
  /** Oldest first. */
  equivocations: EquivocationJson[]
}

/** A recovery manifest was taken; `isNew` false: before already. */
export interface RecoveryJson {
  epoch: number
  baseHeight: number
  isNew: boolean
}

/** Arguments of `ward/governance` `changeValidator`. */
export type ReadinessJson = {
  action: number
  entity: string
  successor: string
  voteKey: string
  height: string
  resultHash: string
  proof: string
  /** Of the node's present key when `voteKey` is a new one. */
  consent: string | null
}
