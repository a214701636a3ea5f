// `ward rule versions`: what is deployed, who stands for it, what is active, and how old the answers of
// former layouts are.
import type { Command } from 'commander'
import type {
  AliasView,
  NamedVersion,
  Pinned,
  RuleSelector,
  VersionsView,
  VersionView,
} from '../../host/api/node-port.js'
import { CommandError } from './command-error.js'
import { connect, must, type NodeChoice } from './connect.js'
import { visibleText } from './visible-text.js'

const example = `
A version is named by alias@version or by the beginning of its address. Every version stays callable by its address for
ever. One of a former layout answers from tables that nobody writes any more: "as of height" says since when.

Examples:
  ward rule versions                          every alias, the active version of each
  ward rule versions ward/sepsis-screen       every version of one alias, and who depends on it`

export function addVersionsCommand(rule: Command): void {
  rule
    .command('versions')
    .description('what is deployed, approved, active, scheduled or quarantined')
    .argument('[alias]', 'e.g. ward/sepsis-screen; every alias unless given')
    .option('--dir <folder>', "the node's folder")
    .option('--api <url>', 'address of its local API')
    .option('--json', 'one JSON object')
    .addHelpText('after', example)
    .action(async (alias: string | undefined, options: NodeChoice & { json?: boolean }) => {
      const answer = must(await connect(options).versions(alias))
      if (options.json) {
        process.stdout.write(`${JSON.stringify(answer)}\n`)
        return
      }
      if (alias !== undefined && answer.aliases.length === 0) {
        throw new CommandError(
          'ALIAS_UNKNOWN',
          `Nothing was ever deployed as ${alias}. See \`ward rule versions\`.`,
        )
      }
      process.stdout.write(alias === undefined ? overview(answer) : answer.aliases.map(aliasText).join(''))
      process.stdout.write(schedulesText(answer))
    })
}

function overview({ aliases }: VersionsView): string {
  const rows = aliases.map(({ alias, versions, quarantinedAt }) => {
    const active = versions.find((version) => version.active)
    const waiting = versions.filter((version) => version.activatedAt.length === 0).length
    const notes = [
      ...(quarantinedAt === null ? [] : [`QUARANTINED since ${timeText(quarantinedAt)}`]),
      ...(waiting === 0 ? [] : [`${waiting} never activated`]),
    ]
    const name = active === undefined ? 'none active' : `${active.version}  ${active.address.slice(0, 16)}`
    return `${alias.padEnd(24)} ${name.padEnd(26)} ${notes.join(', ')}`.trimEnd()
  })
  return `${rows.join('\n')}\n`
}

function aliasText({ alias, versions, dependants, quarantinedAt }: AliasView): string {
  const lines = [
    alias,
    ...(quarantinedAt === null
      ? []
      : [
          `  QUARANTINED since ${timeText(quarantinedAt)}: failed for several sources and patients; readings stand`,
          `  let it run again with \`ward rule lift ${alias}\``,
        ]),
    `  called by: ${dependantsText(dependants)}`,
    ...versions.flatMap(versionLines),
  ]
  return `${lines.join('\n')}\n`
}

function versionLines(version: VersionView): string[] {
  const { approvedBy, approvedAt, deployedAt, activatedAt, frozenSince, vendor } = version
  const approval =
    approvedBy === null ? 'NOT APPROVED' : `approved by ${nameOf(approvedBy)} at height ${approvedAt ?? 0}`
  const age = frozenSince === null ? '' : `; answers as of height ${frozenSince}`
  return [
    `  ${version.active ? '*' : ' '} ${version.version.padEnd(10)} ${version.address.slice(0, 16)}  layout ${version.migrateVersion}${age}`,
    `      deployed by ${nameOf(vendor)} at height ${deployedAt}, ${approval}`,
    `      ${activatedAt.length === 0 ? 'never activated' : `activated at ${heights(activatedAt)}`}`,
  ]
}

/** Alias, version and address of each active contract that is touched by a switch. */
export const dependantsText = (list: readonly NamedVersion[]): string =>
  list.length === 0
    ? 'no active contract'
    : list.map(({ alias, version, address }) => `${alias}@${version} ${address.slice(0, 16)}`).join(', ')

const heights = (list: number[]): string =>
  `height${list.length === 1 ? '' : 's'} ${list.slice(-8).join(', ')}`

const nameOf = ({ label, entity }: { label: string; entity: string }): string =>
  label === '' ? entity.slice(0, 16) : visibleText(label)

export const timeText = (time: number): string =>
  new Date(time).toISOString().slice(0, 19).replace('T', ' ') + ' UTC'

/** alias@version where the answer holds it, else the address. */
function nameAt(aliases: AliasView[], address: string): string {
  for (const { alias, versions } of aliases) {
    const found = versions.find((version) => version.address === address)
    if (found !== undefined) return `${alias}@${found.version} ${address.slice(0, 16)}`
  }
  return address.slice(0, 16)
}

function schedulesText({ aliases, schedules, blockTime }: VersionsView & Pinned): string {
  return schedules
    .map(({ schedule, at, by, addresses }) => {
      const state = at > blockTime ? 'is planned for' : 'was REFUSED when it was due at'
      const names = addresses.map((address) => nameAt(aliases, address)).join(', ')
      return `activation ${schedule.slice(0, 16)} of ${names} ${state} ${timeText(at)} (by ${nameOf(by)})\n`
    })
    .join('')
}

/** What an approver or a developer should see before signing: the version, and what it changes. */
export function reviewText({ alias, dependants, versions }: AliasView, version: VersionView): string {
  const active = versions.find((candidate) => candidate.active)
  const lines = [
    `${alias}@${version.version}  ${version.address}`,
    `  ${visibleText(version.title)}: ${visibleText(version.purpose)}`,
    `  for ${visibleText(version.population)}`,
    `  clinical reviewer: ${visibleText(version.reviewer)}`,
    `  signed by ${nameOf(version.vendor)}; ${version.approvedBy === null ? 'not approved yet' : `approved by ${nameOf(version.approvedBy)}`}`,
    ...(active === undefined ? ['  nothing is active under this alias now'] : changes(active, version)),
    `  called by: ${dependantsText(dependants)}`,
  ]
  return `${lines.join('\n')}\n`
}

function changes(active: VersionView, next: VersionView): string[] {
  if (active.address === next.address) return ['  this version is active now']
  const lists: [string, string[], string[]][] = [
    ['reads', selectorTexts(active.reads), selectorTexts(next.reads)],
    ['writes', selectorTexts(active.emits), selectorTexts(next.emits)],
    ['runs on', selectorTexts(active.listensTo), selectorTexts(next.listensTo)],
    ['calls', active.calls, next.calls],
    ['methods', active.methods, next.methods],
  ]
  const layout =
    active.migrateVersion === next.migrateVersion
      ? `layout ${next.migrateVersion} as before: it can be rolled back`
      : `layout ${active.migrateVersion} to ${next.migrateVersion}${next.migrates ? ', with a migration' : ''}: it cannot be rolled back, only forward`
  return [
    `  replaces ${active.version} ${active.address.slice(0, 16)}; ${layout}`,
    ...lists.flatMap(([name, before, after]) => difference(name, before, after)),
  ]
}

function difference(name: string, before: string[], after: string[]): string[] {
  const added = after.filter((item) => !before.includes(item))
  const removed = before.filter((item) => !after.includes(item))
  if (added.length + removed.length === 0) return []
  const parts = [...added.map((item) => `+ ${item}`), ...removed.map((item) => `- ${item}`)]
  return [`  ${name}: ${parts.join(', ')}`]
}

const selectorTexts = (list: RuleSelector[]): string[] =>
  list.flatMap(({ kind, codes }) =>
    codes.length === 0 ? [`every ${kind}`] : codes.map((code) => `${kind} ${code}`),
  )
