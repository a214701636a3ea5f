// One error class for what goes wrong around a node's folder and life cycle. Codes and next steps:
// host/README.md.

export const nodeErrorSentences = {
  CONFIG_MISSING: 'There is no node in this folder. Make one with `ward init node --dir <folder>`.',
  CONFIG_MALFORMED:
    'node.json cannot be used. Nothing was changed. Correct it by host/README.md or make the node anew.',
  FOLDER_NOT_EMPTY: 'This folder already holds a node. Nothing was changed. Choose an empty folder.',
  CARD_MALFORMED: 'This card cannot be used. Make it again with `ward init node` or `ward init person`.',
  GENESIS_MISSING:
    'This node does not know its network yet. Put genesis.cbor into its folder (`ward init network --install`).',
  GENESIS_MALFORMED: 'genesis.cbor cannot be used. Get it again from the founder and compare the chain id.',
  IDENTITY_UNKNOWN:
    'This node is not part of the network that genesis.cbor founds. Check that the card was included.',
  PASSWORD_EMPTY: 'An empty password protects nothing. Nothing was created.',
  NETWORK_INVALID: 'These cards do not make a network. Nothing was written.',
  TICKET_MALFORMED:
    'This is not a ticket that can be used. Nothing was made. Ask an administrator for a new one (`ward network ticket`).',
  TICKET_EXPIRED: 'This ticket has expired. Nothing was made. Ask an administrator for a new one.',
  ADMISSION_REFUSED:
    'The network did not admit this node. Its folder and keys are kept; join again with a ticket that fits.',
  NETWORK_UNREACHABLE:
    'No validator of the network could be asked. Nothing was changed there. Check cable, addresses and ticket, then join again: it goes on where it stopped.',
  EXECUTOR_FAILED:
    'The executor stopped. Nothing was half written. Restart the node; if it repeats, run it with --log debug.',
} as const

export type NodeErrorCode = keyof typeof nodeErrorSentences

export const isNodeErrorCode = (code: string): code is NodeErrorCode => code in nodeErrorSentences

export class NodeError extends Error {
  constructor(
    readonly code: NodeErrorCode,
    readonly detail = '',
    cause?: unknown,
  ) {
    super(`${nodeErrorSentences[code]}${detail === '' ? '' : ` (${detail})`}`, { cause })
  }
}
