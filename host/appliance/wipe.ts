// The local wipe: keys first, then identity, then everything else, and a certificate of what was done. It
// needs no network and waits for none. Cut off at any moment after its first step, what is left does not
// open; run again, it goes on.
import { existsSync, lstatSync, readFileSync, renameSync, rmdirSync, unlinkSync } from 'node:fs'
import path from 'node:path'
import { bytesToHex } from '../../runtime/protocol/index.js'
import { readCard } from '../founding/cards.js'
import { randomBytes } from '../keys/crypto.js'
import { decodeIdentity, destroyIdentity, type NodeIdentity } from '../keys/node-identity.js'
import { nodeFiles, readNodeConfig } from '../node/node-config.js'
import {
  destroyStore,
  listKeyslots,
  openKeyslot,
  readSealedFile,
  StoreError,
  type DestroyStep,
} from '../store/index.js'
import { replaceFile, syncFolder } from '../store/durable-file.js'
import { ApplianceError } from './appliance-error.js'
import { eraseLargeFile } from './erase-large-file.js'
import { describeMedium } from './medium.js'
import { holdNode } from './node-hold.js'
import {
  certificateFormat,
  decodeCertificateFile,
  encodeCertificateFile,
  signCertificate,
  type CertificateFile,
  type SanitisationCertificate,
  type SanitisedFile,
} from './sanitisation-certificate.js'
import { filesToWipe, isKeyslotFile, type WipeTarget } from './wipe-targets.js'

export interface WipeOptions {
  folder: string
  /**
   * Where the certificate goes: outside the folder. A wipe by hand that was begun there is continued; any
   * other file there is set aside under a number.
   */
  certificatePath: string
  /** Store password, for the signature; the caller zeroes it. Without it the certificate is unsigned. */
  password?: Uint8Array
  /** In the place of the password: the identity of a node that obeys governance. The caller destroys it. */
  identity?: NodeIdentity
  /** Height of the governance order. */
  revocationHeight?: number
  /** Copies of the keyslot file elsewhere, to be destroyed as well. */
  keyslotCopies?: readonly string[]
  /** What the operator says of further copies: `none`, or where they are. Undefined: was not asked. */
  otherCopies?: 'none' | readonly string[]
  persons?: readonly { role: string; name: string }[]
  place?: string
  version: string
  now?: () => number
  onStep?: (step: { name: DestroyStep['step'] | 'begin' | 'verify' | 'certificate'; path: string }) => void
  onProgress?: (label: string, done: number, total: number) => void
}

/** Files above this size are overwritten with a progress count. */
const largeBytes = 8 * 2 ** 20

const technique =
  'cryptographic erase (every keyslot overwritten in place, synced, read back, unlinked); then overwrite and unlink of all files, best effort on flash and copy-on-write media'
const verificationMethod =
  'read back after overwriting; no keyslot file opens; no file of the node is left (the device itself was not scanned)'

/**
 * Wipes a node's folder. Throws NODE_ABSENT, NODE_RUNNING and KEYSLOT_REJECTED before anything is
 * changed; WIPE_INVALID when a keyslot file cannot be destroyed. Failures of other files are in the
 * certificate, whose result is then `incomplete`.
 */
export async function wipeNode(options: WipeOptions): Promise<CertificateFile> {
  const earlier = earlierRun(options)
  if (!earlier && !isNodeFolder(options.folder)) throw new ApplianceError('NODE_ABSENT', options.folder)
  const identity = options.identity ?? (await openIdentity(options))
  const hold = holdNode(options.folder)
  try {
    const wipe = new Wipe(options, identity, earlier)
    wipe.begin()
    wipe.destroy()
    return wipe.end()
  } finally {
    hold.release()
    if (identity && !options.identity) destroyIdentity(identity)
  }
}

/**
 * The first step alone, in one turn, while the node still runs in this process: whatever else hangs, its keys
 * are gone. `wipeNode` goes on when it is closed.
 */
export function eraseKeys(options: WipeOptions): void {
  const wipe = new Wipe(options, options.identity, earlierRun(options))
  wipe.begin()
  wipe.destroy(true)
}

/**
 * A folder that holds none of a node's own files is not wiped: a slip in --dir must not cost a home
 * folder.
 */
function isNodeFolder(folder: string): boolean {
  const files = nodeFiles(folder)
  return [files.keyslots, files.config, files.identity].some((file) => existsSync(file))
}

/**
 * The mark lies in the node's own folder, where nobody else writes. A certificate elsewhere is believed only
 * by a person who wipes by hand: a wipe by order that is told to go on would take anyone's word.
 */
function earlierRun(options: WipeOptions): CertificateFile | undefined {
  const mark = wipeBegun(options.folder)
  if (mark || isOrdered(options)) return mark
  const file = readCertificate(options.certificatePath)
  return file?.certificate.state === 'begun' ? file : undefined
}

const isOrdered = ({ revocationHeight }: WipeOptions): boolean => revocationHeight !== undefined

/** The beginning of a wipe by order, from the node's own folder; undefined when none was begun there. */
export function wipeBegun(folder: string): CertificateFile | undefined {
  const file = readCertificate(nodeFiles(folder).wipeMark)
  return file?.certificate.state === 'begun' ? file : undefined
}

/** Undefined when there is none, or something else. */
function readCertificate(file: string): CertificateFile | undefined {
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

/** Undefined without a password, or when nothing is left that it could open. */
async function openIdentity({ folder, password }: WipeOptions): Promise<NodeIdentity | undefined> {
  if (!password) return undefined
  const files = nodeFiles(folder)
  try {
    const dataKey = await openKeyslot(files.keyslots, password)
    try {
      const bytes = readSealedFile(files.identity, dataKey)
      if (!bytes) return undefined
      const identity = decodeIdentity(bytes)
      bytes.fill(0)
      return identity
    } finally {
      dataKey.close()
    }
  } catch (error) {
    // A typing error must be told; a damaged or missing keyslot must not stop a wipe.
    if (error instanceof StoreError && error.code !== 'KEYSLOT_REJECTED') return undefined
    throw error
  }
}

class Wipe {
  private readonly targets: WipeTarget[]
  /** What the wipe itself writes: the mark goes last of all, the certificate stays. */
  private readonly kept: string[]
  /** Keyslot files outside the folder. */
  private readonly copies: string[]
  private readonly certificate: SanitisationCertificate
  private readonly done = new Map<string, SanitisedFile>()
  private failure = ''

  constructor(
    private readonly options: WipeOptions,
    private readonly identity: NodeIdentity | undefined,
    private readonly earlier: CertificateFile | undefined,
  ) {
    this.copies = [...(options.keyslotCopies ?? []), ...copiesOf(earlier)]
    this.kept = [nodeFiles(options.folder).wipeMark, options.certificatePath].map((file) =>
      path.resolve(file),
    )
    this.targets = filesToWipe(options.folder, this.copies).filter((target) => !this.isKept(target))
    this.certificate = { ...this.fresh(), ...(earlier && pastOf(earlier.certificate)) }
  }

  /**
   * The certificate is on disk before the first key is destroyed: a wipe that is cut off leaves its
   * beginning.
   */
  begin(): void {
    this.options.onStep?.({ name: 'begin', path: this.options.certificatePath })
    setAside(this.options.certificatePath, this.certificate.id)
    if (this.earlier) return
    const begun = signCertificate(this.certificate, this.identity?.vote)
    if (isOrdered(this.options)) this.write(begun, nodeFiles(this.options.folder).wipeMark)
    this.write(begun)
  }

  destroy(keysOnly = false): void {
    const { folder, onStep } = this.options
    if (!keysOnly) for (const link of this.targets.filter((target) => target.isLink)) this.removeLink(link)
    const keyslotFiles = this.targets.filter((target) => target.isKeyslot).map((target) => target.path)
    let at: DestroyStep = { step: 'keyslots', path: folder }
    try {
      const report = destroyStore(folder, {
        keyslotFiles,
        keep: this.kept,
        keysOnly,
        onStep: (step) => {
          at = step
          onStep?.({ name: step.step, path: step.path })
          this.eraseLarge(step)
        },
      })
      for (const file of report.files) this.record(file)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      if (at.step === 'keyslots') throw new ApplianceError('WIPE_INVALID', `${at.path}: ${message}`, error)
      this.failure = message
      this.note({ path: at.path, byteCount: 0, outcome: 'failed', detail: message })
    }
    if (!keysOnly) removeEmptyFolders(folder)
  }

  end(): CertificateFile {
    const { folder, onStep, certificatePath, now = Date.now } = this.options
    onStep?.({ name: 'verify', path: folder })
    const findings = this.verify()
    const { certificate } = this
    certificate.state = 'ended'
    certificate.endedAt = new Date(now()).toISOString()
    certificate.method = 'Purge'
    certificate.files = this.fileResults()
    certificate.verification = {
      method: verificationMethod,
      result: findings.length === 0 ? 'passed' : 'failed',
      findings,
    }
    const isComplete = findings.length === 0 && certificate.keys.copiesStatement === 'none exist'
    certificate.result = isComplete ? 'complete' : 'incomplete'
    const file = signCertificate(certificate, this.identity?.vote)
    if (this.earlier) file.begun = this.earlier
    onStep?.({ name: 'certificate', path: certificatePath })
    this.write(file)
    removeMark(folder)
    return file
  }

  private write(file: CertificateFile, place = this.options.certificatePath): void {
    replaceFile(place, Buffer.from(encodeCertificateFile(file)))
  }

  private isKept(target: { path: string }): boolean {
    return this.kept.includes(path.resolve(target.path))
  }

  private eraseLarge({ step, path: file }: DestroyStep): void {
    if (step !== 'files' || lstatSync(file).size < largeBytes) return
    const { size } = lstatSync(file)
    const label = `overwriting ${path.basename(file)}`
    const { byteCount, verified } = eraseLargeFile(file, (bytes) => {
      this.options.onProgress?.(label, bytes, size)
    })
    this.note(resultOf(file, byteCount, verified))
  }

  private removeLink({ path: link, linkTarget }: WipeTarget): void {
    unlinkSync(link)
    const detail = `pointed to ${linkTarget ?? '?'}, which was not touched`
    this.note({ path: link, byteCount: 0, outcome: 'link removed', detail })
  }

  private record(file: { path: string; byteCount: number; overwritten: boolean; unlinked: boolean }): void {
    // A large file was emptied before; its byte count is known already.
    if (this.done.has(file.path) && file.unlinked) return
    this.note(resultOf(file.path, file.byteCount, file.overwritten && file.unlinked))
  }

  private note(file: SanitisedFile): void {
    this.done.set(file.path, { ...file, path: this.shown(file.path) })
  }

  private shown(file: string): string {
    const relative = path.relative(this.options.folder, file)
    return relative.startsWith('..') || path.isAbsolute(relative) ? file : relative
  }

  private fileResults(): SanitisedFile[] {
    const results = new Map([...this.done.values()].map((file) => [file.path, file]))
    for (const before of this.certificate.files) {
      if (results.has(before.path)) continue
      const isLeft = existsSync(path.resolve(this.options.folder, before.path))
      results.set(before.path, {
        ...before,
        outcome: isLeft ? 'failed' : 'destroyed in an earlier run',
        detail: isLeft ? this.failure || 'still there' : '',
      })
    }
    return [...results.values()].sort((left, right) => (left.path < right.path ? -1 : 1))
  }

  private verify(): string[] {
    const { folder } = this.options
    const findings = this.failure === '' ? [] : [this.failure]
    for (const file of [...this.done.values()].filter(({ outcome }) => outcome === 'failed')) {
      findings.push(`${file.path} did not read back as overwritten`)
    }
    for (const file of [nodeFiles(folder).keyslots, ...this.copies]) {
      if (opens(file)) findings.push(`${file} is still a keyslot file`)
    }
    const left = filesToWipe(folder, []).filter((target) => !this.isKept(target))
    for (const target of left) findings.push(`${this.shown(target.path)} is still there`)
    return [...new Set(findings)]
  }

  private fresh(): SanitisationCertificate {
    const { folder, otherCopies, persons = [], place = '', version, now = Date.now } = this.options
    const { name, voteKey, storeId, slots } = publicFacts(folder)
    return {
      format: certificateFormat,
      id: bytesToHex(randomBytes(16)),
      state: 'begun',
      begunAt: new Date(now()).toISOString(),
      endedAt: null,
      node: { name, voteKey: this.identity ? bytesToHex(this.identity.vote.publicKey) : voteKey, storeId },
      medium: describeMedium(existsSync(folder) ? folder : path.dirname(folder)),
      method: 'none',
      technique,
      keys: {
        slots,
        keyslotFilesDestroyed: this.targets.filter((target) => target.isKeyslot).length,
        copiesOutstanding: otherCopies === 'none' ? [] : [...(otherCopies ?? [])],
        copiesStatement:
          otherCopies === undefined ? 'not stated' : otherCopies === 'none' ? 'none exist' : 'outstanding',
      },
      files: this.targets.map(({ path: file, byteCount }) => {
        return { path: this.shown(file), byteCount, outcome: 'present', detail: '' }
      }),
      verification: { method: verificationMethod, result: 'not yet', findings: [] },
      result: 'begun',
      persons: [...persons],
      place,
      revocationHeight: this.options.revocationHeight ?? null,
      tool: { name: 'wardchain', version },
    }
  }
}

/** What a resumed run cannot find out any more is taken from the beginning. */
function pastOf(begun: SanitisationCertificate): Partial<SanitisationCertificate> {
  const { id, begunAt, node, medium, keys, files, persons, place, revocationHeight } = begun
  return structuredClone({ id, begunAt, node, medium, keys, files, persons, place, revocationHeight })
}

/** Copies that an earlier run knew of; it may have been cut off before it reached them. */
function copiesOf(earlier: CertificateFile | undefined): string[] {
  return (earlier?.certificate.files ?? []).map((file) => file.path).filter((file) => path.isAbsolute(file))
}

function resultOf(file: string, byteCount: number, isGone: boolean): SanitisedFile {
  return { path: file, byteCount, outcome: isGone ? 'overwritten and unlinked' : 'failed', detail: '' }
}

function opens(file: string): boolean {
  return existsSync(file) && isKeyslotFile(file)
}

interface PublicFacts {
  name: string
  voteKey: string
  storeId: string
  slots: { id: number; kind: string }[]
}

/** Facts that need no password; empty where files are damaged or gone, for that must not stop a wipe. */
function publicFacts(folder: string): PublicFacts {
  const files = nodeFiles(folder)
  const facts: PublicFacts = { name: '', voteKey: '', storeId: '', slots: [] }
  attempt(() => (facts.name = readNodeConfig(folder).name))
  attempt(() => {
    const card = readCard(files.card)
    if (card.type === 'node') facts.voteKey = bytesToHex(card.voteKey)
  })
  attempt(() => {
    const { storeId, slots } = listKeyslots(files.keyslots)
    facts.storeId = bytesToHex(storeId)
    facts.slots = slots.map(({ id, kind }) => ({ id, kind }))
  })
  return facts
}

function attempt(work: () => void): void {
  try {
    work()
  } catch {
    // Told by the empty field.
  }
}

/** After the certificate is on disk: cut off before, the next start ends the wipe once more. */
function removeMark(folder: string): void {
  const { wipeMark } = nodeFiles(folder)
  if (!existsSync(wipeMark)) return
  unlinkSync(wipeMark)
  syncFolder(folder)
  removeEmptyFolders(folder)
}

function removeEmptyFolders(folder: string): void {
  for (const inner of [nodeFiles(folder).chain, nodeFiles(folder).votes, folder]) {
    try {
      rmdirSync(inner)
    } catch {
      // Not there, or not empty: what is left is named by the verification.
    }
  }
}
