// Where the chain stands, read once after the store is opened.
import {
  chainIdOf,
  decodeCertificate,
  decodeGenesis,
  decodeHeader,
  decodeResult,
  decodeCbor,
  encodeResult,
  genesisValidators,
  resultHash as resultHashOf,
  type BlockResult,
  type Genesis,
  type Result,
  type Validator,
} from '../../runtime/protocol/index.js'
import { decodeRow, onlyKey, store as tables, validatorRow } from '../../runtime/execution/kernel-tables.js'
import type { SkippedLeaders, Tip, ValidatorSet } from '../../consensus/pbft/types.js'
import { sha256 } from '../keys/crypto.js'
import type { ChainStore } from '../store/index.js'
import { skippedNote, validatorsNote } from './block-write.js'
import { validatorSet } from './validator-set.js'

export interface ChainTip {
  genesis: Genesis
  leafSalt: Uint8Array
  tip: Tip
  nextValidators: ValidatorSet
}

export function readTip(store: ChainStore, genesisBytes: Uint8Array): ChainTip {
  const genesis = must(decodeGenesis(genesisBytes))
  const applied = store.applied()
  const stored = applied && store.blockAt(applied.height)
  if (!applied || !stored) throw new Error('the store holds no block')
  const result = must(decodeResult(stored.result))
  const nextValidators = validatorSet(readValidators(store))
  const founding = validatorSet(genesisValidators(genesis))
  const common = { result, resultHash: resultHashOf(sha256, encodeResult(result)) }
  const base = { genesis, leafSalt: genesis.leafSalt, nextValidators }
  if (applied.height === 0) return { ...base, tip: genesisTip(genesis, genesisBytes, common, founding) }
  const header = must(decodeHeader(stored.header))
  return {
    ...base,
    tip: {
      ...common,
      epoch: header.epoch,
      height: applied.height,
      blockHash: sha256(stored.header),
      time: header.time,
      proposer: header.proposer,
      certificate: must(decodeCertificate(stored.certificate)),
      validators: signersOfTip(store) ?? founding,
      skipped: readSkipped(store),
    },
  }
}

/** Genesis as a parent: its chain id stands for the block hash. */
function genesisTip(
  genesis: Genesis,
  genesisBytes: Uint8Array,
  common: { result: BlockResult; resultHash: Uint8Array },
  validators: ValidatorSet,
): Tip {
  return {
    ...common,
    epoch: 0,
    height: 0,
    blockHash: chainIdOf(sha256, genesisBytes),
    time: genesis.time,
    proposer: new Uint8Array(32),
    certificate: null,
    validators,
    skipped: [],
  }
}

function readValidators(store: ChainStore): Validator[] {
  const row = store.get(tables.validator, onlyKey)
  if (!row) throw new Error('the store holds no validator set')
  return decodeRow<Validator[]>(validatorRow, row)
}

function signersOfTip(store: ChainStore): ValidatorSet | undefined {
  const note = store.note(validatorsNote)
  return note && validatorSet(decodeRow<Validator[]>(validatorRow, note))
}

function readSkipped(store: ChainStore): SkippedLeaders[] {
  const note = store.note(skippedNote)
  const decoded = note && decodeCbor(note)
  if (!decoded?.ok || !Array.isArray(decoded.value)) return []
  return (decoded.value as [number, Uint8Array[]][]).map(([height, ids]) => ({ height, ids }))
}

function must<T>(result: Result<T, string>): T {
  if (!result.ok)
    throw Object.assign(new Error(`the store holds what it should not: ${result.code}`), {
      code: 'STORE_DAMAGED',
    })
  return result.value
}
