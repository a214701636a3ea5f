// The local wipe: keys first, then identity, then everything else, and a certificate of what was done. It
// needs no network and waits for none, and no room on the disk. Cut off at any moment after its first step,
// what is left does not open; run again, it goes on.
import { existsSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
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
  type DestroyedFile,
  type DestroyStep,
} from '../store/index.js'
import { ApplianceError } from './appliance-error.js'
import { describeMedium } from './medium.js'
import { holdNode } from './node-hold.js'
import {
  certificateFormat,
  keyLeftFinding,
  methodOf,
  signCertificate,
  statementsOf,
  type CertificateFile,
  type CertificateStatements,
  type SanitisationCertificate,
  type SanitisedFile,
} from './sanitisation-certificate.js'
import { readCertificate, wipeBegun, WipePapers } from './wipe-papers.js'
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
  /** Of the password's slot, where it needs one; zeroed by the caller too. */
  secondSecret?: Uint8Array
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
  /** What only people know of the medium: asset number, source, destination, contact, who verifies. */
  stated?: Partial<CertificateStatements>
  version: string
  /** What `eraseKeys` gave: it may have found no room on the disk. */
  begun?: CertificateFile
  /**
   * The wipe is done and its certificate has no place: the caller has the only one. Without this it throws.
   */
  onUnwritten?: (file: CertificateFile, error: StoreError) => void
  now?: () => number
  onStep?: (step: { name: DestroyStep['step'] | 'begin' | 'verify' | 'certificate'; path: string }) => void
  onProgress?: (label: string, done: number, total: number) => void
}

/** Files from this size on are overwritten with a progress count. */
const largeBytes = 8 * 2 ** 20

const technique =
  'cryptographic erase (every keyslot overwritten in place, synced, read back, unlinked); then overwrite and unlink of all files, best effort on flash and copy-on-write media'
const verificationMethod =
  'read back after overwriting; no keyslot file opens; no file of the node is left (the device itself was not scanned)'

/**
 * Wipes a node's folder. Throws NODE_ABSENT, NODE_RUNNING, KEYSLOT_REJECTED and WIPE_NOT_BEGUN before
 * anything is changed; WIPE_INVALID when a keyslot file cannot be destroyed, after all that can be is.
 * Failures of other files are in the certificate, whose result is then `incomplete`.
 */
export async function wipeNode(options: WipeOptions): Promise<CertificateFile> {
  const earlier = earlierRun(options)
  if (!earlier && !isNodeFolder(options.folder)) throw new ApplianceError('NODE_ABSENT', options.folder)
  const identity = options.identity ?? (await openIdentity(options))
  const hold = holdNode(options.folder, { forWipe: true })
  try {
    const wipe = new Wipe(options, identity, earlier)
    wipe.begin()
    wipe.destroy()
    const file = wipe.end()
    wipe.assertKeysGone()
    return file
  } finally {
    hold.release()
    if (identity && !options.identity) destroyIdentity(identity)
  }
}

/**
 * The first step alone, in one turn, while the node still runs in this process: whatever else hangs, its keys
 * are gone. `wipeNode` goes on when it is closed, from the beginning that this returns.
 */
export function eraseKeys(options: WipeOptions): CertificateFile {
  const wipe = new Wipe(options, options.identity, earlierRun(options))
  const begun = wipe.begin()
  wipe.destroy(true)
  wipe.assertKeysGone()
  return begun
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
 * by a person who wipes by hand: a wipe by order that is told to go on would take anyone's word. One that
 * ended with files left goes on as well, unless another node was made in this folder since.
 */
function earlierRun(options: WipeOptions): CertificateFile | undefined {
  const { begun, folder, certificatePath } = options
  const mark = begun ?? wipeBegun(folder)
  if (mark || isOrdered(options)) return mark
  const file = readCertificate(certificatePath)
  if (!file || !existsSync(folder)) return file?.certificate.state === 'begun' ? file : undefined
  const { state, verification, node } = file.certificate
  const { storeId, voteKey } = publicFacts(folder)
  const isSame = [node.storeId, ''].includes(storeId) && [node.voteKey, ''].includes(voteKey)
  return isSame && (state === 'begun' || verification.result === 'failed') ? file : undefined
}

const isOrdered = ({ revocationHeight }: WipeOptions): boolean => revocationHeight !== undefined

/** Undefined without a password, or when nothing is left that it could open. */
async function openIdentity({
  folder,
  password,
  secondSecret,
}: WipeOptions): Promise<NodeIdentity | undefined> {
  if (!password) return undefined
  const files = nodeFiles(folder)
  try {
    const dataKey = await openKeyslot(files.keyslots, password, { secondSecret })
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
  private readonly papers: WipePapers
  /** Keyslot files outside the folder. */
  private readonly copies: string[]
  private readonly certificate: SanitisationCertificate
  private readonly done = new Map<string, SanitisedFile>()
  /** Why keyslot files are as they were, each with its path. */
  private keysLeft: string[] = []

  constructor(
    private readonly options: WipeOptions,
    private readonly identity: NodeIdentity | undefined,
    private readonly earlier: CertificateFile | undefined,
  ) {
    const { folder, certificatePath, keyslotCopies = [] } = options
    this.papers = new WipePapers({ folder, certificatePath, isOrdered: isOrdered(options) })
    this.copies = [...keyslotCopies, ...copiesOf(earlier)]
    this.targets = this.filesLeft(this.copies)
    this.certificate = { ...this.fresh(), ...(earlier && pastOf(earlier.certificate)) }
    // Who goes on with it joins those who began, and may say what they did not.
    this.certificate.stated = statementsOf(options.stated, earlier?.certificate.stated)
    this.certificate.persons = joined(this.certificate.persons, options.persons ?? [])
  }

  /**
   * The certificate is on disk before the first key is destroyed, where there is room for it: a wipe that is
   * cut off leaves its beginning.
   */
  begin(): CertificateFile {
    this.options.onStep?.({ name: 'begin', path: this.options.certificatePath })
    const begun = this.earlier ?? signCertificate(structuredClone(this.certificate), this.identity?.vote)
    if (this.earlier) this.papers.resume(begun)
    else this.papers.begin(begun)
    return begun
  }

  destroy(keysOnly = false): void {
    const { folder, onStep } = this.options
    const report = destroyStore(folder, {
      keyslotFiles: this.targets.filter((target) => target.isKeyslot).map((target) => target.path),
      keep: this.papers.within(folder),
      keysOnly,
      onStep: (step) => {
        onStep?.({ name: step.step, path: step.path })
        // What was destroyed so far made room.
        if (step.step !== 'keyslots') this.papers.writeWaiting()
      },
      onBytes: (file, done, total) => this.tellLarge(file, done, total),
    })
    for (const file of report.files) this.note(resultOf(file))
    this.keysLeft = report.files
      .filter((file) => file.step === 'keyslots' && !file.overwritten)
      .map(({ path: file, failure = '' }) => `${file}: ${failure}`)
    this.papers.writeWaiting()
    if (keysOnly) return
    for (const link of this.targets.filter((target) => target.isLink)) this.removeLink(link)
    removeEmptyFolders(folder)
  }

  /** Throws WIPE_INVALID while a file is there that opens the data with its password. */
  assertKeysGone(): void {
    if (this.keysLeft.length === 0) return
    const isReadOnly = this.keysLeft.some((text) => text.includes('STORE_READ_ONLY'))
    const advice = isReadOnly
      ? ['a file system that is read only keeps its keys: make it writable (`mount -o remount,rw`)']
      : []
    throw new ApplianceError('WIPE_INVALID', [...this.keysLeft, ...advice].join('; '))
  }

  end(): CertificateFile {
    const { folder, onStep, onUnwritten, certificatePath, now = Date.now } = this.options
    onStep?.({ name: 'verify', path: folder })
    const findings = this.verify()
    const { certificate } = this
    certificate.state = 'ended'
    certificate.endedAt = new Date(now()).toISOString()
    certificate.keys.keyslotFilesDestroyed = this.keyslotFilesDestroyed()
    certificate.files = this.fileResults()
    certificate.verification = {
      method: verificationMethod,
      result: findings.length === 0 ? 'passed' : 'failed',
      findings,
    }
    const isComplete = findings.length === 0 && certificate.keys.copiesStatement === 'none exist'
    certificate.result = isComplete ? 'complete' : 'incomplete'
    certificate.method = methodOf({
      isKeyLeft: this.keysLeft.length > 0,
      findingCount: findings.length,
      copiesStatement: certificate.keys.copiesStatement,
      mediumType: certificate.medium.type,
    })
    const file = signCertificate(certificate, this.identity?.vote)
    if (this.earlier) file.begun = this.earlier
    onStep?.({ name: 'certificate', path: certificatePath })
    const unwritten = this.papers.end(file)
    // As long as a key is left, the next start of a node that is to be wiped must go on.
    if (this.keysLeft.length === 0) {
      this.papers.dropMark()
      removeEmptyFolders(folder)
    }
    if (unwritten && !onUnwritten) throw unwritten
    if (unwritten) onUnwritten?.(file, unwritten)
    return file
  }

  /** Of this run and of the one before: what its beginning counts, less what is left. */
  private keyslotFilesDestroyed(): number {
    const before = this.certificate.keys.keyslotFilesDestroyed
    const isNewCount = this.earlier?.certificate.state === 'ended'
    const found = isNewCount ? this.targets.filter((target) => target.isKeyslot).length : 0
    return Math.max(0, before + found - this.keysLeft.length)
  }

  private filesLeft(copies: readonly string[]): WipeTarget[] {
    return filesToWipe(this.options.folder, copies).filter(({ path: file }) => !this.papers.isPaper(file))
  }

  private tellLarge(file: string, done: number, total: number): void {
    if (total >= largeBytes) this.options.onProgress?.(`overwriting ${path.basename(file)}`, done, total)
  }

  private removeLink({ path: link, linkTarget }: WipeTarget): void {
    const detail = `pointed to ${linkTarget ?? '?'}, which was not touched`
    const removed: SanitisedFile = { path: link, byteCount: 0, outcome: 'link removed', detail }
    try {
      unlinkSync(link)
      this.note(removed)
    } catch (error) {
      this.note({ ...removed, outcome: 'failed', detail: `the link stays: ${String(error)}` })
    }
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
        detail: isLeft ? 'still there' : '',
      })
    }
    return [...results.values()].sort((left, right) => (left.path < right.path ? -1 : 1))
  }

  private verify(): string[] {
    const { folder } = this.options
    const findings: string[] = []
    for (const { path: file, outcome, detail } of this.done.values()) {
      if (outcome === 'failed') findings.push(`${file}: ${detail}`)
    }
    for (const file of [nodeFiles(folder).keyslots, ...this.copies]) {
      if (opens(file)) findings.push(`${file} ${keyLeftFinding}`)
    }
    for (const target of this.filesLeft([])) findings.push(`${this.shown(target.path)} is still there`)
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
      stated: statementsOf(),
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

type Persons = SanitisationCertificate['persons']

function joined(before: Persons, now: readonly Persons[number][]): Persons {
  const isNew = (one: Persons[number]): boolean =>
    !before.some(({ role, name }) => role === one.role && name === one.name)
  return [...before, ...now.filter(isNew)]
}

/** Copies that an earlier run knew of; it may have been cut off before it reached them. */
function copiesOf(earlier: CertificateFile | undefined): string[] {
  return (earlier?.certificate.files ?? []).map((file) => file.path).filter((file) => path.isAbsolute(file))
}

function resultOf({ path: file, byteCount, overwritten, unlinked, failure }: DestroyedFile): SanitisedFile {
  if (overwritten && unlinked)
    return { path: file, byteCount, outcome: 'overwritten and unlinked', detail: '' }
  return { path: file, byteCount, outcome: 'failed', detail: failure ?? '' }
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

/** Innermost first. What is not empty is named by the verification. */
function removeEmptyFolders(folder: string): void {
  attempt(() => {
    for (const name of readdirSync(folder)) {
      const inner = path.join(folder, name)
      if (lstatSync(inner).isDirectory()) removeEmptyFolders(inner)
    }
  })
  attempt(() => rmdirSync(folder))
}
