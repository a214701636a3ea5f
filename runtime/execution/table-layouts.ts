// Which layout a store's table belongs to: the migrate version of the code that first wrote it. Code of
// another layout may read it and never write it, so that an older version goes on answering from tables
// that nobody rewrites.
import { concatBytes, utf8 } from '../protocol/bytes.js'
import type { Frame } from './frame.js'
import { stopFrame } from './guest-failure.js'
import { store } from './kernel-tables.js'

/** Stops a frame that writes a table of another layout; the first write of a table settles its layout. */
export function requireOwnTable(frame: Frame, table: number): void {
  const { contract, run } = frame
  const { overlay } = run.kernel
  const layout = contract.manifest.migrateVersion
  const key = concatBytes(utf8(contract.alias), new Uint8Array([table]))
  const row = overlay.get(store.table, key)
  if (row === undefined) {
    overlay.set(store.table, key, new Uint8Array([layout & 0xff, layout >>> 8]))
  } else if (row[0] + row[1] * 256 !== layout) {
    stopFrame(frame, 'TABLE_FROZEN', `table ${table}`)
  }
}
