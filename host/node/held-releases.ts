// What is held back (R18), shown to whoever stands at the node, and released by an administrator in person.
// It is a list of this node alone: no two nodes need have the same, it changes nothing of the state, and a
// network whose proposals wait for it could not agree on letting it go.
import { bytesToHex, ok, refused } from '../../runtime/protocol/index.js'
import type { HeldBlockView, HeldPort, ReleaseRequest } from '../api/held-port.js'
import type { HeldBlock } from '../executor/held-back.js'
import type { NodeLogger } from './node-logger.js'
import { readerOf } from './sessions.js'
import type { Unsealed } from './unsealed.js'

const administrator = 'admin'

export function heldPort(parts: () => Unsealed | undefined, logger: NodeLogger): HeldPort {
  return {
    list() {
      const { node } = parts() ?? {}
      return node ? ok({ held: node.pool.held.blocks.map(viewOf) }) : refused('NODE_SEALED')
    },
    async release(session, request) {
      const unsealed = parts()
      if (!unsealed) return refused('NODE_SEALED')
      const person = bytesToHex(readerOf(session))
      // As the chain has it now.
      const entry = await unsealed.reads.people.entry(person)
      if (entry?.roles.includes(administrator) !== true) return refused('ADMINISTRATOR_REQUIRED')
      const { pool } = unsealed.node
      const hashes = chosen(pool.held.blocks.map(viewOf), request)
      const released = pool.release(hashes)
      if (released === 0) return refused('HELD_UNKNOWN')
      const { which, reason } = request
      logger.warn(
        { code: 'HELD_RELEASED', person, released, which, reason },
        'released by an administrator',
      )
      return ok({ released, left: pool.held.count, saved: pool.held.isSaved })
    },
  }
}

function chosen(blocks: readonly HeldBlockView[], { which, ids = [] }: ReleaseRequest): string[] {
  const asked = new Set(ids)
  const isChosen = (
    { transactions }: HeldBlockView,
    each: HeldBlockView['transactions'][number],
  ): boolean => {
    if (which === 'all') return true
    if (which === 'others') return !each.ran && transactions.some(({ ran }) => ran)
    return asked.has(each.bundle) || (each.transaction !== '' && asked.has(each.transaction))
  }
  return blocks.flatMap((block) =>
    block.transactions.filter((each) => isChosen(block, each)).map(({ bundle }) => bundle),
  )
}

function viewOf({ since, reason, height, running, bundles }: HeldBlock): HeldBlockView {
  const ran = [running?.transaction, running?.cause].filter((id) => id !== undefined && id !== '')
  const { contract, method, address, transaction } = running ?? {}
  return {
    ...{ since, reason, height },
    running:
      contract === undefined || method === undefined || address === undefined
        ? null
        : { contract, method, address, transaction: transaction ?? '' },
    transactions: bundles.map(({ hash, transaction }) => ({
      bundle: hash,
      transaction,
      ran: transaction !== '' && ran.includes(transaction),
    })),
  }
}
