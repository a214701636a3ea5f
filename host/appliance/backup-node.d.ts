export declare const backupFormat = 'wardchain/backup/1'
export declare const manifestName = 'backup.json'
export interface BackupManifest {
  format: typeof backupFormat
  node: string
  /** Which keyslot file opens it. */
  storeId: string
  /** ISO 8601, UTC. */
  takenAt: string
  files: {
    path: string
    byteCount: number
    sha256: string
  }[]
}
export interface BackupOptions {
  folder: string
  /** Absent or empty. */
  out: string
  now?: () => number
  onProgress?: (label: string, done: number, total: number) => void
}
/** Throws NODE_ABSENT, GENESIS_UNKNOWN, FOLDER_NOT_EMPTY, BACKUP_TORN; the folder then does not exist. */
export declare function backupNode(options: BackupOptions): Promise<BackupManifest>
