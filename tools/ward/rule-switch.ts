// `ward rule activate`, `rollback`, `cancel`: several aliases switch in one transaction, at the end of its
// block or at a time; all of them or none.
import type { Command } from 'commander'
import type { AliasView, VersionsView, VersionView } from '../../host/api/node-port.js'
import { CommandError } from './command-error.js'
import { must } from './connect.js'
import { activateCall, cancelCall, liftCall } from './governance-calls.js'
import { say, signingOptions } from './rule-ship.js'
import { chooseVersion, confirm, withSigner, type Chosen, type SigningOptions } from './rule-signing.js'
import { reviewText, timeText } from './rule-versions.js'

const activateExample = `
All versions become active together at the end of one block, or none does. A version with a newer layout migrates at the
switch; if its migration fails, nothing switches. With --at the first block at or after that time switches; what could
not be switched now is not planned either.

Examples:
  ward rule activate ward/deterioration@1.1.0 ward/sepsis-screen@1.1.0 --as administrator
  ward rule activate ward/deterioration@1.1.0 --at 2026-11-23T03:00:00Z --as administrator
  ward rule activate ward/deterioration@1.1.0 --at +30m --as administrator`

const rollbackExample = `
Each alias goes back to the version that was active before, all in one transaction. Where the active version has a newer
layout this is refused: the former code would not see what was written since. Ship a forward migration instead.

Example:
  ward rule rollback ward/deterioration ward/sepsis-screen --as administrator`

export function addSwitchCommands(rule: Command): void {
  signingOptions(rule.command('activate'))
    .description('switch one or several aliases to approved versions, together')
    .argument('<versions...>', 'alias@version, or the beginning of an address')
    .option('--at <time>', 'ISO 8601 with a zone, or +10m, +2h, +1d; now unless given')
    .addHelpText('after', activateExample)
    .action(runActivate)
  signingOptions(rule.command('rollback'))
    .description('switch one or several aliases back to their former versions, together')
    .argument('<aliases...>', 'e.g. ward/deterioration')
    .addHelpText('after', rollbackExample)
    .action(runRollback)
  signingOptions(rule.command('lift'))
    .description('let a quarantined rule run again')
    .argument('<alias>', 'e.g. ward/deterioration; `ward rule versions` says which are quarantined')
    .action(runLift)
  signingOptions(rule.command('cancel'))
    .description('cancel a planned activation, or forget one that was refused when it was due')
    .argument('<activation>', 'beginning of its id, as `ward rule versions` shows it')
    .action(runCancel)
}

async function runActivate(texts: string[], options: SigningOptions & { at?: string }): Promise<void> {
  const at = options.at === undefined ? 0 : timeOf(options.at, Date.now())
  await withSigner(options, async ({ client, label, sign }) => {
    const known = must(await client.versions())
    const chosen = texts.map((text) => chooseVersion(known, text))
    if (at === 0 && chosen.every(({ version }) => version.active))
      throw new CommandError('ALREADY_ACTIVE', `${names(chosen)}: active already. Nothing was signed.`)
    if (!options.json)
      for (const { alias, version } of chosen) process.stdout.write(reviewText(alias, version))
    const when = at === 0 ? 'now' : `at ${timeText(at)}`
    await confirm(`Activate ${names(chosen)} ${when} as ${label}?`, options)
    const receipt = await sign(
      activateCall(
        chosen.map(({ version }) => version.address),
        at,
      ),
    )
    const json = { ...switchJson(chosen), at }
    const done = `active since the end of block ${receipt.height}: ${names(chosen)}`
    const planned = `planned for ${timeText(at)}: ${names(chosen)}. See \`ward rule versions\`, undo with \`ward rule cancel\`.`
    say(options, receipt, json, [at === 0 ? done : planned])
  })
}

async function runRollback(aliases: string[], options: SigningOptions): Promise<void> {
  await withSigner(options, async ({ client, label, sign }) => {
    const known = must(await client.versions())
    const chosen = aliases.map((alias) => former(known, alias))
    if (!options.json)
      for (const { alias, version } of chosen) process.stdout.write(reviewText(alias, version))
    await confirm(`Roll back to ${names(chosen)} as ${label}?`, options)
    const receipt = await sign(activateCall(chosen.map(({ version }) => version.address)))
    say(options, receipt, switchJson(chosen), [
      `rolled back at the end of block ${receipt.height}: ${names(chosen)}`,
    ])
  })
}

/** The version that was active before the active one. */
export function former(known: VersionsView, name: string): Chosen {
  const alias = known.aliases.find((candidate) => candidate.alias === name)
  const active = alias?.versions.find((version) => version.active)
  if (alias === undefined || active === undefined) {
    throw new CommandError(
      'ALIAS_UNKNOWN',
      `Nothing is active as ${name}. Nothing was changed. See \`ward rule versions\`.`,
    )
  }
  const version = activeBefore(alias, active)
  if (version === undefined) {
    throw new CommandError(
      'NO_FORMER_VERSION',
      `${name}@${active.version} is the first version. Nothing was changed.`,
    )
  }
  if (version.migrateVersion < active.migrateVersion) {
    throw new CommandError(
      'LAYOUT_REFUSED',
      `${name}@${version.version} has layout ${version.migrateVersion}, the active one ${active.migrateVersion}: ` +
        'it would not see what was written since. Nothing was changed; deploy a forward migration.',
    )
  }
  return { alias, version }
}

/** Last switch to another version before the last switch to the active one. */
function activeBefore(alias: AliasView, active: VersionView): VersionView | undefined {
  const since = Math.max(...active.activatedAt)
  const switches = alias.versions
    .filter((version) => version !== active)
    .flatMap((version) => version.activatedAt.map((height) => ({ version, height })))
    .filter(({ height }) => height < since)
    .sort((left, right) => right.height - left.height)
  return switches.at(0)?.version
}

/** A rule that failed for several sources and patients runs again; its failures count anew. */
async function runLift(name: string, options: SigningOptions): Promise<void> {
  await withSigner(options, async ({ client, label, sign }) => {
    const alias = must(await client.versions(name)).aliases.at(0)
    if ((alias?.quarantinedAt ?? null) === null) {
      throw new CommandError('NOT_QUARANTINED', `${name} is not quarantined. Nothing was signed.`)
    }
    await confirm(`Let ${name} run again as ${label}?`, options)
    const receipt = await sign(liftCall(name))
    say(options, receipt, { alias: name }, [
      `lifted in block ${receipt.height}: ${name} runs again, and its timers that waited. What it missed is not run.`,
    ])
  })
}

async function runCancel(text: string, options: SigningOptions): Promise<void> {
  await withSigner(options, async ({ client, sign }) => {
    const { schedules } = must(await client.versions())
    const matches = schedules.filter(({ schedule }) => schedule.startsWith(text))
    if (matches.length !== 1) {
      throw new CommandError(
        'ACTIVATION_UNKNOWN',
        `${text} names ${matches.length} planned activations. Nothing was changed. See \`ward rule versions\`.`,
      )
    }
    await confirm(`Cancel the activation planned for ${timeText(matches[0].at)}?`, options)
    const receipt = await sign(cancelCall(matches[0].schedule))
    say(options, receipt, { schedule: matches[0].schedule }, [
      `cancelled in block ${receipt.height}. The active versions go on.`,
    ])
  })
}

/** What switches, and who calls it. */
const switchJson = (chosen: Chosen[]) => ({
  addresses: chosen.map(({ version }) => version.address),
  switches: chosen.map(({ alias, version }) => ({
    ...{ alias: alias.alias, version: version.version, address: version.address },
    dependants: alias.dependants,
  })),
})

const names = (chosen: Chosen[]): string =>
  chosen.map(({ alias, version }) => `${alias.alias}@${version.version}`).join(', ')

const units: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** ms since 1970. A time without a zone is refused: a switch at the wrong hour is worse than none. */
export function timeOf(text: string, now: number): number {
  const relative = /^\+(\d{1,6})([smhd])$/.exec(text)
  if (relative) return now + Number(relative[1]) * units[relative[2]]
  const time = /(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time)) {
    throw new CommandError(
      'TIME_MALFORMED',
      `--at ${text}: write 2026-11-23T03:00:00Z, or +30m. Nothing was changed.`,
      2,
    )
  }
  if (time <= now) throw new CommandError('TIME_PAST', `--at ${text} is over. Nothing was changed.`, 2)
  return time
}
