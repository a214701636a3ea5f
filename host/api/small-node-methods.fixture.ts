// Methods that the node of one process knows: as the contracts of the system declare them, and one of a
// vendor.
import { ok, refused, type Schema } from '../../runtime/protocol/index.js'
import type { HeldPort } from './held-port.js'

export const methodSchemas: Readonly<Record<string, Schema>> = {
  'ward/alerts.acknowledge': {
    struct: [
      ['alert', { fixed: 32 }],
      ['response', 'string'],
      ['reason', 'string'],
    ],
  },
  'ward/orders.sign': {
    struct: [
      ['order', { fixed: 32 }],
      ['meaning', 'string'],
    ],
  },
  // A vendor's contract, which takes ids in a list.
  'ward/round.sign': {
    struct: [
      [
        'lines',
        {
          vec: {
            struct: [
              ['record', { fixed: 32 }],
              ['note', 'string'],
            ],
          },
        },
      ],
    ],
  },
  'ward/governance.revokeKey': { struct: [['keyId', { fixed: 16 }]] },
}

/** It never lost an executor. */
export const nothingHeld: HeldPort = {
  list: () => ok({ held: [] }),
  release: () => Promise.resolve(refused('HELD_UNKNOWN')),
}
