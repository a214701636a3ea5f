// The daemon obeys governance: wipes its own node, writes the certificate where it can, and ends.
import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { eraseKeysByOrder, obeyWipe, resumeWipe } from '../../host/appliance/remote-wipe.js'
import {
  encodeCertificateFile,
  type CertificateFile,
} from '../../host/appliance/sanitisation-certificate.js'
import type { NodeLogger } from '../../host/node/node-logger.js'
import type { OrderedWipe } from '../../host/node/wipe-watch.js'
import { exitStatus } from './command-error.js'

interface Daemon {
  dir: string
}

const version = '0.1.0'

/**
 * Beside the folder as with `ward wipe`; a hardened service may write nowhere but in the node's folder, which
 * stays then with nothing else in it. Never where everybody writes, nor in the service's runtime folder: that
 * is gone when the process ends with 0.
 */
export function certificatePlace(dir: string): string {
  const folder = path.resolve(dir)
  const place = isWritable(path.dirname(folder)) ? path.dirname(folder) : folder
  return path.join(place, `${path.basename(folder)}.sanitisation.json`)
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Before anything is closed. What fails here is tried again, and told, when the node is closed. */
export function eraseOrderedKeys(
  { dir }: Daemon,
  order: OrderedWipe,
  logger: NodeLogger,
): CertificateFile | undefined {
  try {
    const options = { folder: dir, certificatePath: certificatePlace(dir), version }
    const begun = eraseKeysByOrder(order, options)
    logger.warn({ code: 'WIPE_ORDERED' }, 'the keys of this store are destroyed')
    return begun
  } catch (error) {
    logger.error(
      { code: 'WIPE_INVALID', error: String(error) },
      'the keys are destroyed when all is closed',
    )
    return undefined
  }
}

/** Ends the process: 0 when the wipe is done, so that a supervisor does not start the node again. */
export async function obeyOrderedWipe(
  { dir }: Daemon,
  order: OrderedWipe,
  begun: CertificateFile | undefined,
  logger: NodeLogger,
): Promise<void> {
  const options = { folder: dir, certificatePath: certificatePlace(dir), version, begun }
  try {
    await telling(options.certificatePath, (onUnwritten) => obeyWipe(order, { ...options, onUnwritten }))
    process.exit(exitStatus.done)
  } catch (error) {
    logger.error(
      { code: 'WIPE_INVALID', error: String(error) },
      'the ordered wipe failed; it is tried again',
    )
    process.exit(exitStatus.fault)
  }
}

/** At the start, before anything of the folder is read: a wipe that was cut off goes on. */
export async function resumeOrderedWipe({ dir }: Daemon): Promise<boolean> {
  const options = { folder: dir, certificatePath: certificatePlace(dir), version }
  return telling(options.certificatePath, (onUnwritten) => resumeWipe({ ...options, onUnwritten }))
}

type OnUnwritten = (file: CertificateFile, error: Error) => void

/**
 * The journal keeps the certificate even where no file can: it holds no patient data. False when there was
 * nothing to wipe.
 */
async function telling(
  certificatePath: string,
  wipe: (onUnwritten: OnUnwritten) => Promise<CertificateFile | undefined>,
): Promise<boolean> {
  let place = certificatePath
  const file = await wipe((only, error) => {
    place = `the line above is the only one, no file could be written (${error.message})`
    print(only)
  })
  if (!file) return false
  if (place === certificatePath) print(file)
  process.stdout.write(`this node was wiped by order; certificate: ${place}\n`)
  return true
}

const print = (file: CertificateFile): void =>
  void process.stdout.write(`${JSON.stringify(JSON.parse(encodeCertificateFile(file)))}\n`)
