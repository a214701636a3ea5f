// A page of the chain as the shell opens it: the document and what its manifest declares.
import { bytesToHex } from '../../runtime/protocol/index.js'
import type { PageView } from '../api/node-port.js'
import { recordKindNameOf } from '../api/views.js'
import type { ContractReply, ExecutorCalls } from '../executor/messages.js'

/** Undefined for a contract that is no page. */
export function pageViewOf(alias: string, contract: ContractReply | null): PageView | undefined {
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
export function pageListOf(contracts: ExecutorCalls['contracts'][1]) {
  return contracts
    .filter((contract) => contract.type === 'page')
    .map(({ alias, title, version, address }) => ({ alias, title, version, address: bytesToHex(address) }))
}
