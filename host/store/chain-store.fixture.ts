// A chain store with small, plausible blocks, for the tests and benches of this room.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Overlay, StateTree, type StateTreeOptions } from '../../runtime/state/index.js'
import {
  openChainStore,
  createKeyslotFile,
  type BlockWrite,
  type ChainStore,
  type DataKey,
} from './index.js'
import { createScratchHash, sha256 } from './sodium.js'

export const leafSalt = new Uint8Array(32).fill(9)
/** Cheap on purpose: the tests open keyslots often, and argon2id is tested on its own. */
export const testCost = { passes: 1, memoryKiB: 64 }
export const password = Buffer.from('correct horse battery staple')

export function temporaryFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'wardchain-store-'))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'utf8'))
export const patientOf = (number: number): Uint8Array => new Uint8Array(16).fill(number + 1)

export interface Bed {
  folder: string
  dataKey: DataKey
  store: ChainStore
  tree: StateTree
}

/** A few blocks of `buildBlock`: pages wait to be written, and the oldest become due all the time. */
const redoBytesMax = 2_000

export async function createBed(
  folder: string,
  options: StateTreeOptions = { redoBytesMax },
): Promise<Bed> {
  const dataKey = await createKeyslotFile(join(folder, 'keyslots'), password, { cost: testCost })
  return openBed(folder, dataKey, options)
}

export function openBed(
  folder: string,
  dataKey: DataKey,
  options: StateTreeOptions = { redoBytesMax },
): Bed {
  const store = openChainStore(folder, dataKey)
  return { folder, dataKey, store, tree: StateTree.open(store, createScratchHash(), leafSalt, options) }
}

/** The text of a test body: recognisable in a scan for plaintext. */
export const bodyText = (height: number): string => `Lisa Jones redness and purulent drainage ${height}`
export const bodyContent = (height: number): Uint8Array => utf8(`salt-of-16-bytes${bodyText(height)}`)

/** One block: a point key that changes each time, a new point key, an ordered row, an index row, a body. */
export function buildBlock(bed: Bed, height: number, keyCount = 4): BlockWrite {
  const overlay = new Overlay(bed.store)
  overlay.set('ward/policy', utf8('head'), utf8(`head at ${height}`))
  for (let index = 0; index < keyCount; index += 1) {
    overlay.set('$record', utf8(`record ${height}.${index}`), utf8(`value ${height}.${index}`))
  }
  overlay.orderedPut('ward/alerts', 1, utf8('ward 3'), BigInt(1_000 + height), utf8(`alert ${height}`))
  overlay.indexPut('$record', 2, patientOf(height % 3), BigInt(height), utf8(`id ${height}`))
  const writes = overlay.writeSet()
  const update = bed.tree.update(writes.state)
  const content = bodyContent(height)
  return {
    height,
    header: utf8(`header ${height}`),
    payload: utf8(`payload ${height}`),
    result: utf8(`result ${height}`),
    certificate: utf8(`certificate ${height}`),
    receipts: [utf8(`receipt ${height}.0`), utf8(`receipt ${height}.1`)],
    bodies: [{ hash: sha256(content), content, patient: patientOf(height % 3) }],
    attachments: [{ hash: sha256(utf8(`module ${height}`)), bytes: utf8(`module ${height}`) }],
    transactions: [{ id: sha256(utf8(`transaction ${height}`)), index: 1 }],
    writes,
    pages: update.pageWrites,
    redo: update.redo,
    stateRoot: update.root,
  }
}

export function applyNext(bed: Bed, keyCount = 4): BlockWrite {
  const block = buildBlock(bed, (bed.store.applied()?.height ?? -1) + 1, keyCount)
  bed.store.applyBlock(block)
  bed.tree.accept(bed.tree.update(block.writes.state))
  return block
}
