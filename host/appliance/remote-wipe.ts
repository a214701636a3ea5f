// The wipe of a node by governance: the node itself obeys. It seals, destroys its keys, then everything else,
// and signs the certificate with its identity in memory. No password, no operator.
import { destroyIdentity } from '../keys/node-identity.js'
import type { OrderedWipe } from '../node/wipe-watch.js'
import type { CertificateFile } from './sanitisation-certificate.js'
import { wipeBegun } from './wipe-papers.js'
import { eraseKeys, wipeNode, type WipeOptions } from './wipe.js'

type Obeyed = Pick<
  WipeOptions,
  'folder' | 'certificatePath' | 'version' | 'begun' | 'onUnwritten' | 'onStep' | 'now'
>

/**
 * At once, the node still open: no closing of stores, no client, no peer can delay the end of its keys,
 * and no full disk. The beginning that it returns goes into `obeyWipe`.
 */
export function eraseKeysByOrder(order: OrderedWipe, options: Obeyed): CertificateFile {
  return eraseKeys({ ...options, ...termsOf(order) })
}

const termsOf = ({ identity, height, orderedBy }: OrderedWipe) => ({
  identity,
  revocationHeight: height,
  persons: orderedBy.map((name) => ({ role: 'administrator', name })),
})

/**
 * The node must be sealed before. Cut off at any moment after its first key is destroyed, what is left does
 * not open; `resumeWipe` goes on. Cut off earlier, the node obeys again at its next unlock, and its peers
 * give it no key share. Throws ApplianceError as `wipeNode` does.
 */
export async function obeyWipe(order: OrderedWipe, options: Obeyed): Promise<CertificateFile> {
  try {
    return await wipeNode({ ...options, ...termsOf(order) })
  } finally {
    destroyIdentity(order.identity)
  }
}

/**
 * Goes on with a wipe by order that was cut off; undefined when none was begun. Only the mark in the node's
 * own folder counts: a file at a place where others write could order anything. The certificate stays
 * unsigned.
 */
export async function resumeWipe(options: Obeyed): Promise<CertificateFile | undefined> {
  return wipeBegun(options.folder) && wipeNode(options)
}
