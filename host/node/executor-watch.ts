// The executor as the node watches it: what happens when it dies or the engine fails in a contract, and what
// an earlier process left behind. A fault of this node, never a transaction's result.
import { CrashJournal } from '../executor/crash-journal.js'
import { crashText, writeCrashDump } from '../executor/crash-dump.js'
import { readNoteFile, type RunningFrame } from '../executor/execution-note.js'
import { ExecutorClient } from '../executor/executor-client.js'
import { canHaveLedTo, HeldBack } from '../executor/held-back.js'
import { nodeFiles } from './node-config.js'
import type { RunningOptions } from './running-node.js'

type WatchOptions = Pick<RunningOptions, 'folder' | 'now' | 'logger' | 'onFault' | 'executor'> & {
  config?: { heapMiB?: number }
}

export interface CrashWatch {
  executor: ExecutorClient
  journal: CrashJournal
  held: HeldBack
}

/**
 * Starts the thread, says what the start before did not finish, and holds back what is likely to have ended
 * it.
 */
export function startExecutor(options: WatchOptions): CrashWatch {
  const { folder, now, logger, onFault, config } = options
  const files = nodeFiles(folder)
  // Read before the new thread begins to write it.
  const lastFrame = readNoteFile(files.executingNote)
  const journal = new CrashJournal(files.executing)
  const held = new HeldBack(files.held, (error) =>
    logger.error({ code: 'HELD_NOT_SAVED', error: String(error) }, 'the list of what is held back'),
  )
  reportEarlierEnd(options, { journal, held }, lastFrame)
  const executor = new ExecutorClient(
    ({ reason, request = 'open', running }) => {
      // Only what ran when it happened speaks against what was executed.
      const executes = request === 'execute' || request === 'tentative'
      const blames = executes && (running !== undefined || executor.isDead)
      const { height, bundles } = blames ? journal.running : { height: 0, bundles: [] }
      const isDueWork = blames && request === 'execute' && !canHaveLedTo(running, bundles)
      const dump = writeCrashDump(folder, { time: now(), reason, request, running, bundles })
      if (isDueWork) journal.diedOfDueWork()
      else if (blames) {
        journal.executorDied()
        held.add({
          since: now(),
          reason: 'EXECUTOR_DIED',
          height: running?.height ?? height,
          running,
          bundles,
        })
      }
      const what = crashText({ reason, request, running })
      const text = isDueWork ? `${what}; no transaction of its block led to it: none is held back` : what
      onFault('EXECUTOR_FAILED', dump === undefined ? text : `${text} (${dump})`)
    },
    { heapMiBMax: config?.heapMiB, ...options.executor, notePath: files.executingNote },
  )
  return { executor, journal, held }
}

function reportEarlierEnd(
  { folder, now, logger }: WatchOptions,
  { journal, held }: Pick<CrashWatch, 'journal' | 'held'>,
  lastFrame: RunningFrame | undefined,
): void {
  const { unfinished, suspect } = journal
  const running = frameThatRan(lastFrame, unfinished?.height)
  if (unfinished !== undefined || running !== undefined) {
    const request = unfinished === undefined ? 'open or view' : 'execute'
    const end = { reason: 'PROCESS_ENDED', request, running }
    const bundles = (unfinished?.bundles ?? []).map((hash) => ({ hash, transaction: '' }))
    const dump = writeCrashDump(folder, { ...end, time: now(), bundles })
    const fields = { code: 'EXECUTOR_CRASHED_ON', detail: crashText(end), dump }
    logger.warn(fields, 'the process before ended while its executor worked')
  }
  if (suspect === undefined) return
  const { reason, height } = suspect
  const bundles = suspect.bundles.map((hash) => ({ hash, transaction: '' }))
  held.add({ since: now(), reason, height, running: frameThatRan(lastFrame, height), bundles })
  const fields = { code: 'EXECUTOR_CRASHED_ON', height, bundles: suspect.bundles }
  logger.error(fields, 'the executor died while it executed these; they stay out of fresh proposals')
}

/**
 * The note speaks of the end only when it is of the block that was unfinished (0: its height is not known),
 * or of no transaction while no block ran: what a full disk or a loss of power left of an earlier block
 * would blame a contract that had ended in good order.
 */
function frameThatRan(
  frame: RunningFrame | undefined,
  height: number | undefined,
): RunningFrame | undefined {
  if (frame === undefined) return undefined
  const fits = height === undefined ? frame.transaction === '' : height === 0 || height === frame.height
  return fits ? frame : undefined
}
