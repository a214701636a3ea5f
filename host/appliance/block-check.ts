// One stored block after the other: does it follow from the one before, do its parts have the hashes that
// its header and result promise, and did a quorum sign it? The same questions a light client asks, and
// some more.
import {
  checkRecoverySignatures,
  decodeGenesis,
  decodeRecovery,
  type RecoveryFields,
  chainIdOf,
  decodeCertificate,
  decodeHeader,
  decodeReceipt,
  decodeResult,
  decodeSignedTransaction,
  equalBytes,
  listRoot,
  resultHash,
  transactionRoots,
  validatorsHash,
  verifyCertificate,
  type BlockHeader,
  type Validator,
} from '../../runtime/protocol/index.js'
import { storedLanes } from '../executor/stored-payload.js'
import { sha256, verifySignature } from '../keys/crypto.js'
import type { ChainStore, StoredBlock } from '../store/index.js'

interface Parent {
  height: number
  /** The chain id stands for the block hash of genesis. */
  blockHash: Uint8Array
  resultHash: Uint8Array
  nextValidatorsHash: Uint8Array
  time: number
}

/** What a block's check looks up beside the block. */
export type BlockLookups = Pick<ChainStore, 'transactionLocation' | 'patientBody' | 'attachmentByHash'>

export class BlockCheck {
  readonly #store: BlockLookups
  readonly #chainId: Uint8Array
  readonly #payloadsFrom: number
  /** Sets that are known, by hash in hex: a header names its set by hash only. */
  readonly #sets = new Map<string, readonly Validator[]>()
  readonly #recoveries: readonly RecoveryFields[]
  #parent: Parent | undefined
  certificatesChecked = 0
  /** Certificates of sets that this store does not keep any more. */
  certificatesUnknown = 0
  transactions = 0

  /** `payloadsFrom`: below it payloads were pruned, and headers, results and receipts speak alone. */
  constructor(
    store: BlockLookups,
    genesis: Uint8Array,
    sets: readonly (readonly Validator[])[],
    payloadsFrom = 0,
    manifests: readonly Uint8Array[] = [],
  ) {
    this.#store = store
    this.#payloadsFrom = payloadsFrom
    this.#chainId = chainIdOf(sha256, genesis)
    this.#recoveries = recoveriesOf(genesis, manifests)
    const named = this.#recoveries.map(({ validators }) => validators)
    for (const set of [...sets, ...named]) this.#sets.set(hexOf(validatorsHash(sha256, set)), set)
  }

  /**
   * What is wrong with the next block, or undefined. Blocks come in ascending order; a gap restarts
   * the chain of hashes.
   */
  check(block: StoredBlock): string | undefined {
    const parent = this.#parent?.height === block.height - 1 ? this.#parent : undefined
    this.#parent = undefined
    const result = decodeResult(block.result)
    if (!result.ok) return `its result does not decode: ${result.code}`
    const own = resultHash(sha256, block.result)
    const { nextValidatorsHash } = result.value
    if (block.height === 0) {
      const blockHash = this.#chainId
      this.#parent = {
        height: 0,
        blockHash,
        resultHash: own,
        nextValidatorsHash,
        time: 0,
      }
      return this.#receipts(block, result.value.receiptsRoot)
    }
    const header = decodeHeader(block.header)
    if (!header.ok) return `its header does not decode: ${header.code}`
    const blockHash = sha256(block.header)
    const { time } = header.value
    this.#parent = {
      height: block.height,
      blockHash,
      resultHash: own,
      nextValidatorsHash,
      time,
    }
    return (
      this.#follows(block, header.value, parent) ??
      this.#certificate(block, header.value, blockHash, own) ??
      this.#receipts(block, result.value.receiptsRoot) ??
      this.#payload(block, header.value)
    )
  }

  #follows(block: StoredBlock, header: BlockHeader, parent: Parent | undefined): string | undefined {
    if (header.height !== block.height) return `its header says height ${header.height}`
    if (!equalBytes(header.chainId, this.#chainId)) return 'it is of another chain'
    if (!parent) return undefined
    if (!equalBytes(header.parentHash, parent.blockHash)) return 'it does not follow the block before it'
    if (!equalBytes(header.parentResultHash, parent.resultHash))
      return 'it names another result of its parent'
    // The header names the certificate that its proposer held. Any quorum of the same votes is as good,
    // and this node may have gathered another one, so the two need not be equal.
    if (!equalBytes(header.validatorsHash, this.#chosen(header, parent)))
      return 'its validators are not those chosen'
    return header.time > parent.time ? undefined : 'its time is not after its parent'
  }

  /** Above the base of a recovery its manifest chose them. */
  #chosen(header: BlockHeader, parent: Parent): Uint8Array {
    const recovery = this.#recoveries.find(
      ({ epoch, baseHash }) => epoch === header.epoch && equalBytes(baseHash, parent.blockHash),
    )
    return recovery ? validatorsHash(sha256, recovery.validators) : parent.nextValidatorsHash
  }

  #certificate(
    block: StoredBlock,
    header: BlockHeader,
    blockHash: Uint8Array,
    ownResultHash: Uint8Array,
  ): string | undefined {
    const decoded = decodeCertificate(block.certificate)
    if (!decoded.ok) return `its certificate does not decode: ${decoded.code}`
    const certificate = decoded.value
    if (certificate.height !== block.height || !equalBytes(certificate.blockHash, blockHash)) {
      return 'its certificate is of another block'
    }
    if (!equalBytes(certificate.resultHash, ownResultHash)) return 'its certificate is of another result'
    const validators = this.#sets.get(hexOf(header.validatorsHash))
    if (!validators) {
      this.certificatesUnknown += 1
      return undefined
    }
    const chain = { chainId: this.#chainId, epoch: header.epoch, validators }
    const verified = verifyCertificate(certificate, chain, verifySignature)
    if (!verified.ok) return `its certificate does not verify: ${verified.code}`
    this.certificatesChecked += 1
    return undefined
  }

  /** The receipts have the certified root, and each one is found by its transaction's id. */
  #receipts(block: StoredBlock, root: Uint8Array): string | undefined {
    if (!equalBytes(listRoot(sha256, block.receipts), root))
      return 'its receipts are not the certified ones'
    for (const [index, bytes] of block.receipts.entries()) {
      const receipt = decodeReceipt(bytes)
      if (!receipt.ok) return `receipt ${index} does not decode`
      const place = this.#store.transactionLocation(receipt.value.transactionId)
      if (place?.height !== block.height || place.index !== index) {
        return `the index of transactions does not lead to receipt ${index}`
      }
    }
    this.transactions += block.receipts.length
    return undefined
  }

  /**
   * The signed transactions have the header's roots; their bodies and attachments are there, or erased
   * by decision.
   */
  #payload(block: StoredBlock, header: BlockHeader): string | undefined {
    if (block.height < this.#payloadsFrom && block.payload.length === 0) return undefined
    const lanes = lanesOf(block.payload)
    if (!lanes) return 'its transactions do not decode'
    const roots = transactionRoots(sha256, lanes)
    const isSame = roots.length === header.transactionRoots.length
    if (!isSame || roots.some((root, lane) => !equalBytes(root, header.transactionRoots[lane]))) {
      return 'its transactions are not those of its header'
    }
    for (const bytes of lanes.flat()) {
      const signed = decodeSignedTransaction(bytes, sha256)
      if (!signed.ok) return `a transaction does not decode: ${signed.code}`
      const { action } = signed.value.transaction
      for (const { patient, bodyHash } of action.type === 'append' ? action.records : []) {
        const body = this.#store.patientBody(patient, bodyHash)
        if (!body.ok && body.code === 'BODY_ABSENT') return 'the body of a record is missing'
        if (body.ok && !equalBytes(sha256(body.value), bodyHash))
          return 'the body of a record is another one'
      }
      for (const hash of action.type === 'call' ? action.attachments : []) {
        const attachment = this.#store.attachmentByHash(hash)
        if (!attachment || !equalBytes(sha256(attachment), hash))
          return 'an attachment is missing or another one'
      }
    }
    return undefined
  }
}

function lanesOf(payload: Uint8Array): Uint8Array[][] | undefined {
  try {
    return storedLanes(payload)
  } catch {
    return undefined
  }
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Those that enough institution keys of the founding document signed. */
function recoveriesOf(genesis: Uint8Array, manifests: readonly Uint8Array[]): RecoveryFields[] {
  const decoded = decodeGenesis(genesis)
  const quorum = decoded.ok ? decoded.value.institution : undefined
  return manifests.flatMap((bytes) => {
    const manifest = decodeRecovery(bytes)
    if (!manifest.ok || quorum === undefined) return []
    const { isEnough } = checkRecoverySignatures(manifest.value, quorum, verifySignature)
    return isEnough ? [manifest.value.fields] : []
  })
}
