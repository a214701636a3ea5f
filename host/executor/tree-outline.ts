// The tree's outline, kept when a node closes: after an orderly end the next start reads no tree page. After
// a crash there is none for the newest height, and the start reads every page. On a disk without room none is
// kept either: it takes up to some tens of MiB with the pages that waited, which the next start needs more.
import { StateTree } from '../../runtime/state/index.js'
import { sha256 } from '../keys/crypto.js'
import { treeRedoBytesMax, type ChainStore } from '../store/index.js'

/** Parts stay small, so that sealing needs no large buffer. */
const partBytes = 250_000
const headBytes = 8

/** `tree-outline/0` holds height u64 BE | part count u32 BE; the parts follow from 1 on. */
const noteOf = (part: number): string => `tree-outline/${part}`

/** The tree under this certified root: from the outline of this height, or from every page of the store. */
export function openTree(
  store: ChainStore,
  leafSalt: Uint8Array,
  tip: { height: number; stateRoot: Uint8Array },
): StateTree {
  const options = { redoBytesMax: treeRedoBytesMax }
  // Pages that lie behind the records beside them are not the ones of an outline.
  const isBehind = store.redoRecords().next().done !== true
  const outline = isBehind ? undefined : readOutline(store, tip.height)
  const tree = outline && StateTree.fromOutline(store, sha256, leafSalt, outline, options)
  const isCertified = tree !== undefined && Buffer.compare(tree.root, tip.stateRoot) === 0
  return isCertified ? tree : StateTree.open(store, sha256, leafSalt, options)
}

/** None is no loss: the root tells whether the tree that it gives, or the pages without it, are whole. */
function readOutline(store: ChainStore, height: number): Uint8Array | undefined {
  const head = store.note(noteOf(0), true)
  if (head?.length !== headBytes + 4) return undefined
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  if (view.getBigUint64(0) !== BigInt(height)) return undefined
  const parts: Uint8Array[] = []
  for (let part = 1; part <= view.getUint32(headBytes); part += 1) {
    const bytes = store.note(noteOf(part), true)
    if (bytes === undefined) return undefined
    parts.push(bytes)
  }
  return new Uint8Array(Buffer.concat(parts))
}

/** In one transaction of its own, with the pages that waited. One of the same height is left as it is. */
export function keepOutline(store: ChainStore, tree: StateTree, height: number): void {
  if (readOutline(store, height) !== undefined) return
  const outline = tree.outline()
  const notes: { name: string; value: Uint8Array }[] = []
  for (let at = 0; at < outline.length; at += partBytes) {
    notes.push({ name: noteOf(notes.length + 1), value: outline.slice(at, at + partBytes) })
  }
  const head = Buffer.alloc(headBytes + 4)
  head.writeBigUInt64BE(BigInt(height))
  head.writeUInt32BE(notes.length, headBytes)
  const rest = tree.flush()
  store.import({
    pages: rest.pageWrites,
    redo: rest.redo,
    notes: [{ name: noteOf(0), value: head }, ...notes],
  })
  tree.accept(rest)
}
