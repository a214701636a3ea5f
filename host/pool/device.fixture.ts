// A device that signs calls, for tests of what waits in the pool and of what runs.
import { bytesToHex, entityIdOf, keyIdOf } from '../../runtime/protocol/index.js'
import type { Session } from '../api/node-port.js'
import { generateSigningKey, sha256 } from '../keys/crypto.js'
import type { SingleNode } from '../node/single-node.fixture.js'
import { draftCall, payloadOf, signBundle, transactionIdOf } from '../node/transaction-builder.js'

const dearFuel = 100_000_000

export interface Signed {
  id: string
  bundle: Uint8Array
}

interface CallOptions {
  target?: string
  method?: string
  attachments?: Uint8Array[]
  sequence?: number
  validUntil?: number
}

/** An enrolled device that signs calls for itself; no grant, so that each gets a receipt that says so. */
export class Device {
  private readonly key = generateSigningKey()
  readonly keyId = keyIdOf(sha256, this.key.publicKey)
  sequence = 0

  constructor(private readonly chainId: Uint8Array) {}

  async enrol(single: SingleNode, admin: Session): Promise<this> {
    const args = { kind: 2, publicKey: bytesToHex(this.key.publicKey) }
    await single.sign(admin, { type: 'call', target: 'ward/governance', method: 'enrol', args })
    return this
  }

  call(options: CallOptions = {}): Signed {
    const { target = 'ward/alerts', method = 'acknowledge', attachments = [] } = options
    const draft = draftCall(target, method, new Uint8Array(0), attachments)
    const entity = entityIdOf(sha256, this.key.publicKey)
    const sender = { chainId: this.chainId, entity, publicKey: this.key.publicKey }
    const sequence = options.sequence ?? this.sequence++
    const { validUntil } = options
    const payload = payloadOf(sender, draft, { stream: 0, sequence, fuelLimit: dearFuel, validUntil })
    return { id: bytesToHex(transactionIdOf(payload)), bundle: signBundle(payload, draft, this.key) }
  }
}
