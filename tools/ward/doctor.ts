// `ward doctor`: the offline check of a node's store.
import { existsSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { compareNodes, divergenceReport, type Comparison } from '../../host/appliance/compare.js'
import { examineNode, type DoctorReport } from '../../host/appliance/doctor.js'
import { ApplianceError } from '../../host/appliance/appliance-error.js'
import { nodeFiles } from '../../host/node/node-config.js'
import { CommandError } from './command-error.js'
import { readPassword } from './password.js'
import { createProgress } from './progress.js'

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description(
      'check a stopped node: seals (chain, votes, files), tree, blocks, certificates, indexes; changes nothing',
    )
    .requiredOption('--dir <folder>', "the node's folder")
    .option(
      '--compare <path>',
      'why do results differ: folder of another stopped node, or what --report wrote of it',
    )
    .option('--report <file>', 'write what this node kept of its last divergence, for --compare elsewhere')
    .option('--json', 'print the report as one JSON object')
    .addHelpText(
      'after',
      `
A node whose result of a block is not the quorum's stops (RESULT_DIVERGENCE) and keeps a sealed report in its
folder, divergence-<height>.sealed: hashes of what it wrote, no values. --compare sets it against what another
stopped node has of the same block, and names the first transaction whose receipt differs, and the first store
and key. --report writes the newest one as a plain file. Its hashes are salted with a secret of the founding
document: whoever has both may guess small values, so give it to nobody outside. Without such a report
it looks for the first block whose result differs in the two stores. Exit status 1: they differ.`,
    )
    .action(runDoctor)
}

interface DoctorCommandOptions {
  dir: string
  compare?: string
  report?: string
  json?: boolean
}

async function runDoctor(options: DoctorCommandOptions): Promise<void> {
  if (options.report !== undefined) return writeReport(options.dir, options.report)
  if (options.compare !== undefined) return runCompare(options.dir, options.compare, options.json === true)
  // Said before a password is asked for.
  if (!existsSync(nodeFiles(options.dir).keyslots)) throw new ApplianceError('NODE_ABSENT', options.dir)
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
    `votes: ${report.voteRecords} sealed records; sealed files: ${report.sealedFiles.join(', ')}`,
    report.prunedBelow > 0
      ? `pruned: blocks below ${report.prunedBelow} keep all but their transactions`
      : '',
    report.keyEpochs.length > 1
      ? `key epochs ${report.keyEpochs.join(', ')}: former ones are forgotten by \`ward keyslot drop-former\``
      : '',
    ...report.findings.map(
      ({ table, storedKey, code, message }) => `  ${code} in ${table} ${storedKey}: ${message}`,
    ),
    report.findings.length === 0 ? 'nothing is wrong' : '',
  ]
  return `${lines.filter((line) => line !== '').join('\n')}\n`
}

async function runCompare(folder: string, other: string, isJson: boolean): Promise<void> {
  const given: Uint8Array[] = []
  const passwordOf = async (of: string): Promise<Uint8Array> => {
    const password = await readPassword(`Store password of ${of}`)
    given.push(password)
    return password
  }
  try {
    const found = await compareNodes({ folder, other, passwordOf })
    if (isJson) process.stdout.write(`${JSON.stringify(found && withoutReports(found))}\n`)
    else process.stdout.write(found ? describeComparison(found) : 'both have the same results\n')
    if (found && !found.isSame) process.exitCode = 1
  } finally {
    for (const password of given) password.fill(0)
  }
}

async function writeReport(folder: string, file: string): Promise<void> {
  if (existsSync(file)) throw new CommandError('FILE_EXISTS', `${file} exists. Nothing was changed.`)
  const password = await readPassword(`Store password of ${folder}`)
  try {
    const text = await divergenceReport(folder, () => Promise.resolve(password))
    writeFileSync(file, text, { mode: 0o600, flag: 'wx' })
    process.stdout.write(`${file} was written. It stays in the hospital: see \`ward doctor --help\`.\n`)
  } finally {
    password.fill(0)
  }
}

const withoutReports = ({ left, right, ...rest }: Comparison): object => ({
  ...rest,
  ...{ leftResult: left.resultHash, rightResult: right.resultHash },
})

function describeComparison(found: Comparison): string {
  const { height, left, right, transaction, write, writeCount, key } = found
  const lines = [`block ${height}: ${found.isSame ? 'the same result' : 'the results differ'}`]
  if (!found.isSameBlock)
    lines.push(`  these are two different blocks: ${left.blockHash} here, ${right.blockHash} there`)
  for (const name of found.fields)
    lines.push(`  ${name}: ${left.result[name]} here, ${right.result[name]} there`)
  if (transaction)
    lines.push(
      `  first receipt that differs: number ${transaction.index}, transaction ${transaction.left}` +
        (transaction.right === transaction.left ? '' : ` here, ${transaction.right} there`),
    )
  if (write) {
    lines.push(
      `  first write that differs: store ${write.store}, ${key ? `key ${key}` : `path ${write.path}`}`,
      `    value hash ${write.left} here, ${write.right} there; ${writeCount} key(s) differ in all`,
    )
  }
  const leftOut = left.writesLeftOut + right.writesLeftOut
  if (leftOut > 0) lines.push(`  ${leftOut} writes are not in the reports`)
  return `${lines.join('\n')}\n`
}
