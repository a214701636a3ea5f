// The executor as the node watches it: what happens when it dies or the engine fails in a contract, and what
// an earlier process left behind. A fault of this node, never a transaction's result.
import type { CrashJournal } from '../executor/crash-journal.js'
import { crashText, writeCrashDump } from '../executor/crash-dump.js'
import { readNoteFile, type RunningFrame } from '../executor/execution-note.js'
import { ExecutorClient } from '../executor/executor-client.js'
import { nodeFiles } from './node-config.js'
import type { RunningOptions } from './running-node.js'

/** The journal is opened after the executor: its blocks come later. */
export interface CrashWatch {
  journal: CrashJournal | undefined
}

type WatchOptions = Pick<RunningOptions, 'folder' | 'now' | 'logger' | 'onFault'>

/** Starts the thread; `lastFrame` is what the process before was running last. */
export function startExecutor(
  { folder, now, onFault }: WatchOptions,
  watch: CrashWatch,
): { executor: ExecutorClient; lastFrame: RunningFrame | undefined } {
  const files = nodeFiles(folder)
  // Read before the new thread begins to write it.
  const lastFrame = readNoteFile(files.executingNote)
  const executor = new ExecutorClient(
    ({ reason, request = 'open', running }) => {
      // Only what ran when it happened speaks against what was executed.
      const blames = request === 'execute' || request === 'tentative'
      const bundles = blames ? (watch.journal?.running ?? []) : []
      if (blames) watch.journal?.executorDied()
      const dump = writeCrashDump(folder, { time: now(), reason, request, running, bundles })
      const text = crashText({ reason, request, running })
      onFault('EXECUTOR_FAILED', dump === undefined ? text : `${text} (${dump})`)
    },
    { notePath: files.executingNote },
  )
  return { executor, lastFrame }
}

/** Says what the start before did not finish, and what stays out of fresh proposals because of it. */
export function reportEarlierEnd(
  { folder, now, logger }: WatchOptions,
  journal: CrashJournal,
  lastFrame: RunningFrame | undefined,
): void {
  const { unfinished, suspects } = journal
  if (unfinished.length > 0) {
    const end = { reason: 'PROCESS_ENDED', request: 'execute', running: lastFrame }
    const dump = writeCrashDump(folder, { ...end, time: now(), bundles: unfinished })
    const fields = { code: 'EXECUTOR_CRASHED_ON', detail: crashText(end), dump }
    logger.warn(fields, 'the process before ended while it executed a block')
  }
  if (suspects.length === 0) return
  const fields = { code: 'EXECUTOR_CRASHED_ON', bundles: suspects }
  logger.error(fields, 'the executor died while it executed these; they stay out of fresh proposals')
}
