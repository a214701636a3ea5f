// What a wipe writes: the mark in the node's own folder, by which a wipe by order goes on at the next start,
// and the certificate. On a full disk both wait in memory until the first files that are destroyed make room:
// no key outlives its wipe because a paper about it found no place.
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, unlinkSync } from 'node:fs'
import path from 'node:path'
import { nodeFiles } from '../node/node-config.js'
import { StoreError } from '../store/index.js'
import { replaceFile, syncFolder } from '../store/durable-file.js'
import { engineError } from '../store/engine-error.js'
import { ApplianceError } from './appliance-error.js'
import {
  decodeCertificateFile,
  encodeCertificateFile,
  type CertificateFile,
} from './sanitisation-certificate.js'

export interface PaperPlaces {
  folder: string
  certificatePath: string
  /** By governance: nobody stands here who could give another place. */
  isOrdered: boolean
}

export class WipePapers {
  /** Not on disk yet, by place. */
  private readonly waiting = new Map<string, CertificateFile>()
  private readonly mark: string

  constructor(private readonly places: PaperPlaces) {
    this.mark = nodeFiles(places.folder).wipeMark
  }

  /**
   * Before the first key is destroyed. A person who gave a place that cannot be written is told, and nothing
   * was changed; a full disk, and whatever fails in a wipe by order, does not stop it.
   */
  begin(file: CertificateFile): void {
    const { isOrdered, certificatePath } = this.places
    if (isOrdered) this.waiting.set(this.mark, file)
    this.waiting.set(certificatePath, file)
    const refusal = this.writeWaiting().find(({ code }) => !isOrdered && code !== 'STORE_FULL')
    if (refusal) throw new ApplianceError('WIPE_NOT_BEGUN', refusal.message, refusal)
  }

  /** A run that goes on: its papers were written by the earlier one, or wait for room as well. */
  resume(file: CertificateFile): void {
    const { isOrdered, certificatePath } = this.places
    if (isOrdered && !existsSync(this.mark)) this.waiting.set(this.mark, file)
    if (!existsSync(certificatePath)) this.waiting.set(certificatePath, file)
    this.writeWaiting()
  }

  /** What could not be written is tried again; the failures. */
  writeWaiting(): StoreError[] {
    const failures: StoreError[] = []
    for (const [place, file] of this.waiting) {
      try {
        if (place !== this.mark) setAside(place, file.certificate.id)
        replaceFile(place, Buffer.from(encodeCertificateFile(file)))
        this.waiting.delete(place)
      } catch (error) {
        rmSync(`${place}.new`, { force: true })
        failures.push(engineError(error, `writing ${place}`))
      }
    }
    return failures
  }

  /** The failure when the certificate has no place: whoever called keeps it. The mark is not needed now. */
  end(file: CertificateFile): StoreError | undefined {
    this.waiting.delete(this.mark)
    this.waiting.set(this.places.certificatePath, file)
    return this.writeWaiting().at(0)
  }

  /** After the certificate is on disk: cut off before, the next start ends the wipe once more. */
  dropMark(): void {
    if (!existsSync(this.mark)) return
    unlinkSync(this.mark)
    syncFolder(this.places.folder)
  }

  /** The mark, the certificate, and certificates of earlier wipes of this machine that were set aside. */
  isPaper(file: string): boolean {
    const [resolved, certificate] = [path.resolve(file), path.resolve(this.places.certificatePath)]
    if (resolved === path.resolve(this.mark) || resolved === certificate) return true
    return resolved.startsWith(`${certificate}.`) && readCertificate(resolved) !== undefined
  }

  /** Those that lie in the folder, and where they will. */
  within(folder: string): string[] {
    const names = existsSync(folder) ? readdirSync(folder) : []
    const found = names.map((name) => path.resolve(folder, name)).filter((file) => this.isPaper(file))
    return [...found, path.resolve(this.mark), path.resolve(this.places.certificatePath)]
  }
}

/** The beginning of a wipe by order, from the node's own folder; undefined when none was begun there. */
export function wipeBegun(folder: string): CertificateFile | undefined {
  const file = readCertificate(nodeFiles(folder).wipeMark)
  return file?.certificate.state === 'begun' ? file : undefined
}

/** Undefined when there is none, or something else. */
export function readCertificate(file: string): CertificateFile | undefined {
  try {
    return decodeCertificateFile(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** The certificate of another wipe of this machine is kept; it must not keep this wipe from its end. */
function setAside(certificatePath: string, id: string): void {
  if (!existsSync(certificatePath) || readCertificate(certificatePath)?.certificate.id === id) return
  let number = 1
  while (existsSync(`${certificatePath}.${number}`)) number++
  renameSync(certificatePath, `${certificatePath}.${number}`)
}
