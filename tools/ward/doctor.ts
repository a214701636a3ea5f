// `ward doctor`: the offline check of a node's store.
import type { Command } from 'commander'
import { examineNode, type DoctorReport } from '../../host/appliance/doctor.js'
import { CommandError } from './command-error.js'
import { readPassword } from './password.js'
import { createProgress } from './progress.js'

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check a stopped node: seals, tree, blocks, certificates, indexes; changes nothing')
    .requiredOption('--dir <folder>', "the node's folder")
    .option('--json', 'print the report as one JSON object')
    .action(runDoctor)
}

async function runDoctor(options: { dir: string; json?: boolean }): Promise<void> {
  const password = await readPassword('Store password')
  const progress = createProgress()
  try {
    const onProgress = progress.show.bind(progress)
    const report = await examineNode({ folder: options.dir, password, onProgress })
    progress.end()
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : describe(report))
    if (report.findings.length === 0) return
    throw new CommandError(
      'STORE_DAMAGED',
      `${report.findings.length} finding(s). Keep the folder as it is, and do not start this node: ` +
        'restore it from a backup, or wipe it and join anew from the others.',
    )
  } finally {
    password.fill(0)
  }
}

function describe(report: DoctorReport): string {
  const { height, sealedRecords, ledgerRecords, transactions, certificatesChecked, certificatesUnknown } =
    report
  const lines = [
    `height ${height}: ${sealedRecords} sealed records, ${transactions} transactions, ${ledgerRecords} records of the ledger`,
    `certificates: ${certificatesChecked} verified` +
      (certificatesUnknown > 0
        ? `, ${certificatesUnknown} of earlier validator sets only linked by hash`
        : ''),
    report.prunedBelow > 0
      ? `pruned: blocks below ${report.prunedBelow} keep all but their transactions`
      : '',
    ...report.findings.map(
      ({ table, storedKey, code, message }) => `  ${code} in ${table} ${storedKey}: ${message}`,
    ),
    report.findings.length === 0 ? 'nothing is wrong' : '',
  ]
  return `${lines.filter((line) => line !== '').join('\n')}\n`
}
