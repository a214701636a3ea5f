// `ward status`: where a node stands and whom it waits for.
import type { Command } from 'commander'
import type { NodeStatus } from '../../host/api/node-port.js'
import { isDiskFault } from '../../host/node/disk-return.js'
import { errorTable } from '../../runtime/protocol/index.js'
import { connect, must, type NodeChoice } from './connect.js'
import { timeText } from './rule-versions.js'
import { isDamage } from '../../host/store/index.js'

export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .description('height, view, leader, who voted, lag, sealed or not')
    .option('--dir <folder>', "the node's folder")
    .option('--api <url>', 'address of its local API')
    .option('--json', 'one JSON object')
    .action(async (options: NodeChoice & { json?: boolean }) => {
      const status = must(await connect(options).status())
      process.stdout.write(options.json ? `${JSON.stringify(status)}\n` : describe(status))
    })
}

type AnyStatus = Pick<NodeStatus, 'name' | 'role' | 'sealed' | 'initialised'> & Partial<NodeStatus>

/** What to do about a fault, in the words of whoever stands before it. */
function adviceFor({ code, detail }: { code: string; detail: string }): string {
  if (isDiskFault(detail))
    return (
      'its disk refused a write: it votes no more and answers reads, and nothing acknowledged was lost. Free ' +
      'space (or make the disk writable again): it goes on by itself within seconds, without a password'
    )
  if (detail.includes('STORE_WRITE_FAILED'))
    return (
      'its disk failed a write, and not for want of room: it votes no more and answers reads; nothing ' +
      'acknowledged was lost. Look at the system log, mend or replace the disk, then restart the node'
    )
  switch (code) {
    case 'OLD_EPOCH':
      return (
        'the others went on in a new epoch. Nothing final here is lost: give this node their manifest ' +
        'with `ward network recover apply`, and it follows'
      )
    case 'NODE_REMOVED':
      return 'governance took it from the network: its copy can be read; wipe it, or join anew with a ticket'
    case 'RESULT_DIVERGENCE':
      return (
        "its result of a block is not the quorum's: do not restart it, keep the folder and the log, and " +
        'see `ward doctor --compare`'
      )
    case 'EXECUTOR_FAILED':
      return (
        'its executor died: it votes no more and answers reads as of this height; nothing was half written. ' +
        'Keep the dump, restart it; it does not propose that block again (`ward tx held`)'
      )
    default:
      return 'this node no longer votes; nothing was half written: restart it and keep the dump'
  }
}

function describe(status: AnyStatus): string {
  const lines: [string, string][] = [['node', `${status.name} (${roleText(status)})`]]
  if (status.sealed) {
    const next = status.initialised ? 'open its page to unlock it' : 'make it first with `ward init node`'
    lines.push(['state', `sealed: ${next}`])
  } else {
    const { height = 0, blockTime = 0, stateRoot = '', voted = [], missing = [] } = status
    lines.push(
      ['state', `unsealed, ${status.phase ?? ''}`],
      ['chain', `${status.chainName ?? ''} ${(status.chainId ?? '').slice(0, 16)}`],
      ['height', `${height}, ${height === 0 ? 'genesis' : age(blockTime)}`],
      ['epoch', status.epoch ? `${status.epoch}, after a recovery` : '0, no recovery so far'],
      ['state root', stateRoot.slice(0, 16)],
      ['view', `${status.view ?? 0}, leader ${status.leader ?? ''}`],
      ['voted', voted.length > 0 ? voted.join(', ') : 'nobody (nothing to vote on)'],
      ['missing', missing.length > 0 ? missing.join(', ') : 'nobody'],
      ['round', why(status.reason)],
      ['peers', `${status.peersConnected ?? 0} of ${status.peersKnown ?? 0} connected${awayText(status)}`],
      ...clockLines(status.clocks),
      ['lag', `${status.lag ?? 0} blocks`],
      ...storeLines(status.store),
      ...(status.isSilent ? [silence] : []),
      ...(status.quarantined ?? []).map(({ alias, since }): [string, string] => [
        'QUARANTINE',
        `${alias} does not run since ${timeText(since)}: it failed for several sources and patients. Readings are\n` +
          `${' '.repeat(12)}kept, but no alert comes from it: see \`ward rule versions ${alias}\`, end it with \`ward rule lift ${alias}\``,
      ]),
    )
    if (status.fault) {
      lines.push(['FAULT', `${status.fault.code}: ${status.fault.detail}`])
      lines.push(['', adviceFor(status.fault)])
    }
    for (const file of status.damagedFiles ?? [])
      lines.push(['DAMAGED', `${file}: ${errorTable.SHARES_SET_ASIDE.sentence} [SHARES_SET_ASIDE]`])
    if ((status.setAside ?? 0) > 0) {
      lines.push([
        'SET ASIDE',
        `${status.setAside} transactions are not proposed here since the executor died, or a result split`,
      ])
      lines.push(['', 'see `ward tx held`; an administrator lets them go with `ward tx release`'])
    }
    for (const { node, count, lastHeight, onChain } of status.equivocations ?? []) {
      const where = `${count} proofs, ${onChain} of them on the chain, last at height ${lastHeight}`
      lines.push(['CAUGHT', `${node} signed contradicting messages: ${where}`])
      lines.push([
        '',
        onChain > 0
          ? 'see `ward network evidence`; administrators decide (`ward network validator remove`)'
          : 'this node keeps it; `ward network evidence` shows it when it is on the chain',
      ])
    }
  }
  if (status.phase === 'QUORUM_LOST') lines.push(['halted', errorTable.QUORUM_LOST.sentence])
  return lines.map(([name, text]) => `${name.padEnd(11)} ${text}\n`).join('')
}

const silence: [string, string] = [
  'SILENT',
  'this validator does not vote yet: its record of votes is lost (a restore). It votes again by itself when\n' +
    `${' '.repeat(12)}the chain has passed every height that its key may have signed (some blocks more)`,
]

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

const damageAdvice =
  'a record of this store is damaged; the node goes on. Stop it when others vote, check it with `ward doctor`,\n' +
  `${' '.repeat(12)}then restore a backup, or wipe and join anew`

/** Disk, and what the node's housekeeping is doing. */
export function storeLines(store: NodeStatus['store']): [string, string][] {
  if (store === undefined) return []
  const { fileBytes, freeBytes, firstPayload, pruning, resealing, isCompacting, failure, disk } = store
  const from = firstPayload > 0 ? `, transactions kept from block ${firstPayload} on` : ''
  const lines: [string, string][] = [
    ['store', `${mib(fileBytes)}, of which ${mib(freeBytes)} free inside${from}`],
  ]
  const share = ({ done, total }: { done: number; total: number }): string =>
    `${Math.floor((100 * done) / Math.max(1, total))} % (${done} of ${total})`
  if (pruning) lines.push(['pruning', `${share(pruning)} blocks`])
  if (resealing) lines.push(['re-sealing', `${share(resealing)} records, after a change of the data key`])
  if (isCompacting) lines.push(['compacting', 'a copy without free space is being made; the node goes on'])
  if (disk && disk.level !== 'enough') {
    const share = Math.floor((100 * disk.freeBytes) / disk.totalBytes)
    lines.push([
      'DISK',
      `${share} % free (${mib(disk.freeBytes)}). ${errorTable.DISK_LOW.sentence} [DISK_LOW]`,
    ])
  }
  for (const { thread, usedBytes, limitBytes, isHigh } of store.heap ?? []) {
    const used = `${Math.floor((100 * usedBytes) / limitBytes)} % of ${mib(limitBytes)} in use`
    if (isHigh) lines.push(['HEAP', `${thread}: ${used}. ${errorTable.HEAP_HIGH.sentence} [HEAP_HIGH]`])
  }
  const next = failure && isDamage(failure.code) ? damageAdvice : 'nothing was lost, it is tried again'
  if (failure) lines.push(['STORE', `${failure.code}: ${failure.detail}; ${next}`])
  return lines
}

/** Half of the skew at which validators no longer vote for a leader's block. */
const skewMsShown = 250

/** Which clock is wrong nobody knows; when most of the others say the same of this one, it is this one. */
export function clockLines(clocks: NodeStatus['clocks'] = []): [string, string][] {
  if (clocks.length === 0) return []
  const off = clocks.filter(({ aheadMs }) => Math.abs(aheadMs) > skewMsShown)
  if (off.length === 0) return [['clock', `within ${skewMsShown} ms of ${clocks.length} validator(s)`]]
  const side = (aheadMs: number): string =>
    `${(Math.abs(aheadMs) / 1_000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'}`
  const mend =
    'Past 0.5 s a leader gets no votes, past 10 s a machine counts as silent: repair the time service'
  const [isAhead, isBehind] = [
    off.every(({ aheadMs }) => aheadMs > 0),
    off.every(({ aheadMs }) => aheadMs < 0),
  ]
  const isOwn = clocks.length > 1 && off.length * 2 > clocks.length && (isAhead || isBehind)
  const median = [...off].sort((left, right) => left.aheadMs - right.aheadMs)[off.length >> 1].aheadMs
  const who = isOwn
    ? `this computer is ${side(-median)} ${off.length} of ${clocks.length} validators. ${mend} here`
    : `${off.map(({ node, aheadMs }) => `${node} is ${side(aheadMs)} this computer`).join('; ')}. ${mend} there`
  return [['CLOCK', `${who} [CLOCK_SKEW]`]]
}

function awayText({ away = [], spare }: AnyStatus): string {
  if (away.length === 0) return ''
  const warning = spare === 0 ? ' (when one more goes, nothing becomes final)' : ''
  return `; validators away: ${away.join(', ')}${warning}`
}

/** What it is set up as, and whether it votes where that would be expected. */
function roleText({ role, sealed, votes }: AnyStatus): string {
  if (sealed || votes === undefined || votes === (role === 'validator')) return role
  return votes ? `${role} by its folder, but it votes` : `${role}, but it does not vote`
}

/** The round's reason, and for how long once that says something. */
function why(reason: NodeStatus['reason'] | undefined): string {
  if (reason === undefined) return ''
  const since = reason.sinceMs < 1_000 ? '' : `, for ${Math.round(reason.sinceMs / 1_000)} s`
  return `${reason.sentence}${since} [${reason.code}]`
}

function age(blockTime: number): string {
  const seconds = Math.max(0, Math.round((Date.now() - blockTime) / 1_000))
  return seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`
}
