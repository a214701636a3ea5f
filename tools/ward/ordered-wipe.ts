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
 * Beside the folder as with `ward wipe`; a hardened service may write nowhere but in its own places, in the
 * end in the node's folder. Never where everybody writes.
 */
function certificatePlace(dir: string): string {
  const folder = path.resolve(dir)
  const places = [path.dirname(folder), process.env.RUNTIME_DIRECTORY]
  const place = places.find((candidate) => candidate !== undefined && isWritable(candidate))
  return path.join(place ?? folder, `${path.basename(folder)}.sanitisation.json`)
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
export function eraseOrderedKeys({ dir }: Daemon, order: OrderedWipe, logger: NodeLogger): void {
  try {
    eraseKeysByOrder(order, { folder: dir, certificatePath: certificatePlace(dir), version })
    logger.warn({ code: 'WIPE_ORDERED' }, 'the keys of this store are destroyed')
  } catch (error) {
    logger.error(
      { code: 'WIPE_INVALID', error: String(error) },
      'the keys are destroyed when all is closed',
    )
  }
}

/** Ends the process: 0 when the wipe is done, so that a supervisor does not start the node again. */
export async function obeyOrderedWipe(
  { dir }: Daemon,
  order: OrderedWipe,
  logger: NodeLogger,
): Promise<void> {
  const certificatePath = certificatePlace(dir)
  try {
    tell(await obeyWipe(order, { folder: dir, certificatePath, version }), certificatePath)
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
  const certificatePath = certificatePlace(dir)
  const file = await resumeWipe({ folder: dir, certificatePath, version })
  if (file) tell(file, certificatePath)
  return file !== undefined
}

/** The journal keeps the certificate even where no file can: it holds no patient data. */
function tell(file: CertificateFile, certificatePath: string): void {
  const text = JSON.stringify(JSON.parse(encodeCertificateFile(file)))
  process.stdout.write(`${text}\nthis node was wiped by order; certificate: ${certificatePath}\n`)
}
