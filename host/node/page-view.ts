// A page of the chain as the shell opens it: the document and what its manifest declares.
import { bytesToHex, ok, refused } from '../../runtime/protocol/index.js'
import type { Outcome, PageView, Pinned } from '../api/node-port.js'
import { recordKindNameOf } from '../api/views.js'
import type { ContractReply, ExecutorCalls } from '../executor/messages.js'
import type { Unsealed } from './unsealed.js'

type Parts = Pick<Unsealed, 'node' | 'reads'>

export async function readPage(
  { node, reads }: Parts,
  alias: string,
): Promise<Outcome<Pinned & { page: PageView }>> {
  const page = pageViewOf(alias, await node.executor.call('contract', { target: alias }))
  return page ? ok({ ...(await reads.pin()), page }) : refused('NOT_FOUND', alias)
}

export async function readPages({ node, reads }: Parts) {
  const pages = pageListOf(await node.executor.call('contracts', null))
  return ok({ ...(await reads.pin()), pages })
}

/** Undefined for a contract that is no page. */
function pageViewOf(alias: string, contract: ContractReply | null): PageView | undefined {
  if (!contract?.page) return undefined
  const { manifest } = contract
  const selectors = (list: typeof manifest.reads): PageView['reads'] =>
    list.flatMap(({ kind, codes }) => {
      const name = recordKindNameOf(kind)
      return name === undefined ? [] : [{ kind: name, codes }]
    })
  return {
    alias,
    version: manifest.version,
    address: bytesToHex(contract.address),
    title: manifest.title,
    html: contract.page,
    hash: bytesToHex(contract.codeHash),
    reads: selectors(manifest.reads),
    emits: selectors(manifest.emits),
    calls: manifest.calls,
  }
}

/** The pages among all contracts, for the launcher. */
function pageListOf(contracts: ExecutorCalls['contracts'][1]) {
  return contracts
    .filter((contract) => contract.type === 'page')
    .map(({ alias, title, version, address }) => ({ alias, title, version, address: bytesToHex(address) }))
}
