// Fixed values that the protocol's tests and golden vectors share.
import { createHash, generateKeyPairSync } from 'node:crypto'
import {
  type BlockHeader,
  type Hash,
  type Manifest,
  type Receipt,
  type Transaction,
  type Certificate,
} from './index.js'

export const hash: Hash = (bytes) => createHash('sha256').update(bytes).digest()
export const filled = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte)
export const keyPairSample = (): ReturnType<typeof generateKeyPairSync> => generateKeyPairSync('ed25519')

export const appendSample: Transaction = {
  chainId: filled(1, 32),
  sender: filled(2, 32),
  keyId: filled(3, 16),
  stream: 1,
  sequence: 42,
  validUntil: 1_700_000_060_000,
  fuelLimit: 5_000_000,
  action: {
    type: 'append',
    records: [
      {
        kind: 2,
        patient: filled(4, 16),
        code: '8310-5',
        effectiveTime: 1_700_000_000_000,
        bodyHash: filled(5, 32),
      },
      {
        kind: 2,
        patient: filled(4, 16),
        code: '8480-6',
        effectiveTime: 1_700_000_000_000,
        bodyHash: filled(6, 32),
        supersedes: filled(7, 32),
      },
    ],
  },
}

export const callSample: Transaction = {
  chainId: filled(1, 32),
  sender: filled(2, 32),
  keyId: filled(3, 16),
  stream: 0,
  sequence: 0,
  fuelLimit: 1,
  action: {
    type: 'call',
    target: 'ward/alerts',
    method: 'acknowledge',
    args: filled(9, 12),
    attachments: [filled(8, 32)],
  },
}

export const headerSample: BlockHeader = {
  version: 1,
  appVersion: 1,
  chainId: filled(1, 32),
  epoch: 0,
  height: 7,
  view: 2,
  time: 1_700_000_000_123,
  proposer: filled(2, 32),
  parentHash: filled(3, 32),
  parentResultHash: filled(4, 32),
  parentCertificateHash: filled(5, 32),
  transactionRoots: [6, 7, 8, 9, 10].map((byte) => filled(byte, 32)),
  validatorsHash: filled(11, 32),
}

export const certificateSample: Certificate = {
  height: 7,
  view: 2,
  blockHash: filled(1, 32),
  resultHash: filled(2, 32),
  signers: [0, 2, 3],
  signatures: [filled(3, 64), filled(4, 64), filled(5, 64)],
}

export const receiptSample: Receipt = {
  transactionId: filled(1, 32),
  status: 100,
  fuelUsed: 1234,
  records: [filled(2, 32)],
  events: [{ source: 'ward/alerts', topic: 'raised', content: filled(3, 32) }],
  cause: filled(4, 32),
  target: { alias: 'ward/deterioration', address: filled(5, 32), method: 'onVitals' },
  detail: 'append observation 8310-5',
  returned: filled(6, 3),
}

export const manifestSample: Manifest = {
  alias: 'ward/deterioration',
  version: '1.0.0',
  type: 'contract',
  title: 'Deterioration',
  purpose: 'Scores NEWS2.',
  population: 'Adults',
  reviewer: 'none yet',
  evidence: ['RCP 2017'],
  compiler: 'assemblyscript 0.28.20',
  migrateVersion: 0,
  reads: [{ kind: 2, codes: ['8310-5'] }],
  emits: [],
  calls: ['ward/orders'],
  subscriptions: [{ kind: 2, codes: ['8310-5'], method: 'onVitals', priority: 10 }],
  methods: [
    {
      name: 'onVitals',
      kind: 'record',
      fuel: 1_000_000,
      input: { struct: [['patient', { fixed: 16 }]] },
      output: { option: { vec: 'u8' } },
    },
  ],
}
