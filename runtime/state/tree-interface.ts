// The seam between the state tree (pure) and the place where its pages rest (`host/store`, or memory in
// tests).

/** The pages in the store do not fit together: the store was altered, or is not of this chain. */
export class TreeError extends Error {
  readonly code: 'TREE_PAGE_MISSING' | 'TREE_PAGE_MISMATCH'
  constructor(code: TreeError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/**
 * Where tree pages rest. A page id is opaque to the place; a page's bytes are checked by the tree against
 * its hash. `pages` lists every page once, in any order; it is read when the tree is opened.
 */
export interface TreePages {
  page(id: Uint8Array): Uint8Array | undefined
  pages(): Iterable<{ id: Uint8Array; page: Uint8Array }>
  /** Every redo record that is kept, by ascending sequence; read when the tree is opened. */
  redoRecords(): Iterable<{ sequence: number; record: Uint8Array }>
}

/** One page to write (or, when undefined, to remove) in the transaction that applies the block. */
export interface PageWrite {
  id: Uint8Array
  page: Uint8Array | undefined
}

/**
 * What goes with the pages into the same transaction. A page that keeps its place is written only some
 * updates later; until then the records say what changed on it.
 */
export interface RedoWrite {
  /** Counts up by one a record. */
  sequence: number
  /** To be kept under `sequence`; undefined when there is nothing to keep. */
  record: Uint8Array | undefined
  /** Records [dropFrom, dropTo) have done their duty. */
  dropFrom: number
  dropTo: number
}

/**
 * What `StateTree.update` gives: the root to vote on at once, what to write when the block is final.
 */
export interface TreeUpdate {
  readonly root: Uint8Array
  readonly pageWrites: readonly PageWrite[]
  readonly redo: RedoWrite
}
