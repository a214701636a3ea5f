import { type DoctorReport } from './doctor.js'
export interface RestoreOptions {
  backup: string
  /** The keyslot file, which is kept apart from every backup. */
  keyslots: string
  /** Absent or empty. */
  folder: string
  /** Store password; the caller zeroes it. */
  password: Uint8Array
  onProgress?: (label: string, done: number, total: number) => void
}
export interface Restored {
  report: DoctorReport
  /** It was a validator, and comes back as an observer. */
  wasValidator: boolean
}
/**
 * Throws BACKUP_MALFORMED, FOLDER_NOT_EMPTY, KEYSLOT_REJECTED and codes of the store; the folder then does not exist.
 *
 * A validator comes back as an observer: it follows and does not vote. Its votes are not in any backup, and what it signed
 * since is unknown. A sealed token without votes is left in `votes/`, so that the store never takes it for a new node, even
 * if the backup is of height 0: given its role back, it goes through the silence of a lost record (R17).
 */
export declare function restoreNode(options: RestoreOptions): Promise<Restored>
