// `ward store`: where the disk of a node goes, what it keeps, and giving free disk back.
import type { Command } from 'commander'
import {
  compactStore,
  setKeepBlocks,
  storeSpace,
  type StoreSpace,
} from '../../host/appliance/store-space.js'
import { isKeepBlocks, keepBlocksMin } from '../../host/node/node-config.js'
import { CommandError, exitStatus } from './command-error.js'
import { createProgress } from './progress.js'

interface Choice {
  dir: string
  json?: boolean
}

export function addStoreCommands(program: Command): void {
  const store = program
    .command('store')
    .description('disk of a node: stat, prune, compact; no password is needed')
  store
    .command('stat')
    .description('bytes of the chain store by kind of record, and what is free inside the file')
    .requiredOption('--dir <folder>', "the node's folder")
    .option('--json', 'one JSON object')
    .action(runStat)
  store
    .command('prune')
    .description(
      'how many of the newest blocks keep their signed transactions; records, receipts, proofs stay',
    )
    .requiredOption('--dir <folder>', "the node's folder")
    .requiredOption('--keep-blocks <n>', `a number from ${keepBlocksMin} on, or "all" (an archive)`)
    .action(runPrune)
  store
    .command('compact')
    .description('give free pages back to the file system, while the node runs or not')
    .requiredOption('--dir <folder>', "the node's folder")
    .action(runCompact)
}

async function runStat({ dir, json }: Choice): Promise<void> {
  const progress = createProgress()
  const space = await storeSpace(dir, progress.show.bind(progress))
  progress.end()
  process.stdout.write(json ? `${JSON.stringify(space)}\n` : describe(space))
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

function formerEpochs(epochs: StoreSpace['epochs']): string {
  const newest = Math.max(...epochs.map(({ epoch }) => epoch))
  const former = epochs.filter(({ epoch }) => epoch !== newest)
  if (former.length === 0) return ''
  const isDone = former.every(({ records }) => records === 0)
  return isDone ? '; nothing rests under a former one: `ward keyslot drop-former`' : '; re-sealing goes on'
}

function describe({ fileBytes, freeBytes, entryCount, tables, votesBytes, epochs }: StoreSpace): string {
  const lines = [
    `chain.lmdb    ${mib(fileBytes)}, of which ${mib(freeBytes)} free inside; ${entryCount} sealed records`,
    `votes.lmdb    ${mib(votesBytes)}`,
    `key epochs    ${epochs.map(({ epoch, records }) => `${epoch}: ${records} records`).join(', ')}${formerEpochs(epochs)}`,
    ...tables.map(
      ({ table, records, bytes }) => `  ${table.padEnd(13)} ${mib(bytes).padStart(12)}  ${records} records`,
    ),
  ]
  return `${lines.join('\n')}\n`
}

function runPrune({ dir, keepBlocks }: Choice & { keepBlocks: string }): void {
  const count = keepBlocks === 'all' ? null : Number(keepBlocks)
  if (count !== null && !isKeepBlocks(count)) {
    const message = `--keep-blocks is "all" or a whole number from ${keepBlocksMin} on; nothing was changed`
    throw new CommandError('USAGE', message, exitStatus.usage)
  }
  setKeepBlocks(dir, count)
  process.stdout.write(
    count === null
      ? 'From now on this node keeps the transactions of all blocks. What was pruned does not come back.\n'
      : `This node keeps the signed transactions of its newest ${count} blocks. Older ones go in idle moments,\n` +
          'within seconds if it runs, else after its next unlock; `ward status` shows it. Records, receipts, state and\n' +
          'proofs stay. Keep one archive (--keep-blocks all) in the network. `ward store compact` makes the file smaller.\n',
  )
}

async function runCompact({ dir }: Choice): Promise<void> {
  const progress = createProgress()
  const { before, after, byNode } = await compactStore(dir, { onProgress: progress.show.bind(progress) })
  progress.end()
  const by = byNode ? 'by the running node' : 'while no node runs'
  process.stdout.write(`compacted ${by}: ${mib(before)} -> ${mib(after)}\n`)
}
