// The seam between the state tree (pure) and the place where its pages rest (`host/store`, or memory in
// tests).

/**
 * Where tree pages rest. A page id is opaque to the place; a page's bytes are checked by the tree against
 * its hash. `pages` lists every page once, in any order; it is read when the tree is opened.
 */
export interface TreePages {
  page(id: Uint8Array): Uint8Array | undefined
  pages(): Iterable<{ id: Uint8Array; page: Uint8Array }>
}

/** One page to write (or, when undefined, to remove) in the transaction that applies the block. */
export interface PageWrite {
  id: Uint8Array
  page: Uint8Array | undefined
}

/**
 * What `StateTree.update` gives: the root to vote on at once, the pages to write when the block is final.
 */
export interface TreeUpdate {
  readonly root: Uint8Array
  readonly pageWrites: readonly PageWrite[]
}
