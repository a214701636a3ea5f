// `ward backup` and `ward restore`.
import path from 'node:path'
import type { Command } from 'commander'
import { backupNode } from '../../host/appliance/backup-node.js'
import { restoreNode } from '../../host/appliance/restore-node.js'
import { readPassword } from './password.js'
import { createProgress } from './progress.js'

export function addBackupCommands(program: Command): void {
  program
    .command('backup')
    .description("copy a node's sealed files, while it runs or not; keyslots and votes never go in")
    .requiredOption('--dir <folder>', "the node's folder")
    .requiredOption('--out <folder>', 'where the backup goes, absent or empty')
    .action(runBackup)
  program
    .command('restore')
    .description('make a node from a backup and its keyslot file; checks everything first')
    .requiredOption('--backup <folder>', 'the backup')
    .requiredOption('--keyslots <file>', 'the keyslot file of that node, which you keep apart')
    .requiredOption('--dir <folder>', 'new node folder, absent or empty')
    .action(runRestore)
}

async function runBackup(options: { dir: string; out: string }): Promise<void> {
  const progress = createProgress()
  const onProgress = progress.show.bind(progress)
  const manifest = await backupNode({ folder: options.dir, out: path.resolve(options.out), onProgress })
  progress.end()
  const byteCount = manifest.files.reduce((sum, file) => sum + file.byteCount, 0)
  process.stdout.write(
    `${options.out}: ${manifest.files.length} sealed files of ${manifest.node}, ${byteCount} bytes\n` +
      `It opens only with the keyslot file of store ${manifest.storeId}, which is not in it. Keep a copy of that file apart.\n`,
  )
}

async function runRestore(options: { backup: string; keyslots: string; dir: string }): Promise<void> {
  const password = await readPassword('Store password')
  const progress = createProgress()
  const { backup, keyslots } = options
  const onProgress = progress.show.bind(progress)
  const folder = path.resolve(options.dir)
  try {
    const { report, wasValidator } = await restoreNode({ backup, keyslots, folder, password, onProgress })
    progress.end()
    process.stdout.write(`${options.dir}: restored at height ${report.height}, everything checked\n`)
    if (!wasValidator) return
    process.stdout.write(
      'This node was a validator. It follows at once and is silent until the chain has passed every height that its key\n' +
        'may have signed; then it votes again by itself. `ward status` shows SILENT as long as that lasts.\n' +
        'Never let two nodes with this identity run.\n',
    )
  } finally {
    password.fill(0)
  }
}
