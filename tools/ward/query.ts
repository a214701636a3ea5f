// `ward record list` and `ward alert list`: what a signed-in person may see.
import type { Command } from 'commander'
import type { AlertView, RecordJson } from '../../host/api/node-port.js'
import type { ApiClient } from '../../host/api/client.js'
import { recordLimitMax } from '../../host/api/request-schemas.js'
import { recordKind, type RecordKindName } from '../../runtime/protocol/index.js'
import { CommandError, exitStatus } from './command-error.js'
import { connect, findPerson, must, signIn, type NodeChoice } from './connect.js'
import { visibleText } from './visible-text.js'

interface QueryOptions extends NodeChoice {
  as: string
  patient?: string
  kind: string
  code?: string
  limit: string
  author?: string
  by?: string
  from?: string
  to?: string
  atHeight?: string
  linearizable?: boolean
  json?: boolean
}

export function addQueryCommands(program: Command): void {
  const common = (command: Command): Command =>
    command
      .option('--dir <folder>', "the node's folder")
      .option('--api <url>', 'address of its local API')
      .requiredOption('--as <label>', 'person to sign in as; the second password is asked')
      .option('--patient <hex>', 'one patient; all that you may see when left out')
      .option('--linearizable', 'show everything that was acknowledged anywhere before, or fail')
      .option('--json', 'one JSON object a line')
  const record = program.command('record').description('records of the chain')
  common(record.command('list').description('list records, newest first'))
    .option('--kind <kind>', Object.keys(recordKind).join(', '), 'observation')
    .option('--code <code>', 'LOINC code or name')
    .option('--limit <count>', 'at most so many of each patient', '20')
    .option('--author <who>', "label of a person, or a device's entity (hex, see --json: author)")
    .option('--by <clock>', 'order and bounds: effective (when it was so) or arrival', 'effective')
    .option(
      '--from <when>',
      "first effective time (2026-11-23T08:00Z) or day (UTC); by arrival: the record's # of its patient",
    )
    .option('--to <when>', 'last one, as --from; a day with all its hours')
    .option(
      '--at-height <height>',
      'as this final height had it; else all patients at one height, the newest',
    )
    .action(listRecords)
  const alert = program.command('alert').description('alerts')
  common(alert.command('list').description('list alerts, newest first')).action(listAlerts)
}

async function listRecords(options: QueryOptions): Promise<void> {
  const query = recordQueryOf(options)
  const client = connect(options)
  await signIn(client, options.as)
  if (options.linearizable) must(await client.linearize())
  const all = must(await client.patients()).patients.map((patient) => patient.patient)
  const patients = options.patient === undefined ? all : [options.patient]
  const author = await authorOf(client, options.author)
  let { pinned } = query
  let [count, isCut] = [0, false]
  for (const patient of patients) {
    const { records, height, next } = must(await client.records({ ...query, author, patient, pinned }))
    pinned ??= height
    count += records.length
    isCut ||= next !== null
    for (const record of records) {
      process.stdout.write(options.json ? `${JSON.stringify(record)}\n` : recordLine(record))
    }
  }
  await client.signOut()
  // Not among the records: what a pipe takes is records only.
  const at = pinned === undefined ? 'nobody is admitted' : `as of height ${pinned}`
  const more = isCut ? `; there are more: --limit (at most ${recordLimitMax}), --from, --to` : ''
  const which = `${count} record(s)${boundsText(query)} of ${patients.length} patient(s)`
  process.stderr.write(`${which}, ${at}${more}\n`)
}

async function authorOf(client: ApiClient, author: string | undefined): Promise<string | undefined> {
  if (author === undefined || /^[0-9a-f]{64}$/.test(author)) return author
  return (await findPerson(client, author)).entity
}

type RecordChoice = Pick<QueryOptions, 'kind' | 'code' | 'limit' | 'by' | 'from' | 'to' | 'atHeight'>

/** What the options ask of the API. Throws USAGE. */
export function recordQueryOf({ kind, code, limit, by = 'effective', ...rest }: RecordChoice) {
  if (!(kind in recordKind)) usage(`--kind must be one of ${Object.keys(recordKind).join(', ')}`)
  if (by !== 'effective' && by !== 'arrival') usage('--by must be effective or arrival')
  const clock: 'effective' | 'arrival' = by
  const bound = (text: string | undefined, option: '--from' | '--to'): number | undefined => {
    if (text === undefined) return undefined
    if (by === 'effective') return timeBound(text, option)
    const value = wholeOf(text)
    return Number.isNaN(value) ? usage(`${option}: a whole number expected`) : value
  }
  return {
    kind: kind as RecordKindName,
    code,
    limit: bounded(limit, '--limit', 1, recordLimitMax),
    by: clock,
    from: bound(rest.from, '--from'),
    to: bound(rest.to, '--to'),
    pinned: rest.atHeight === undefined ? undefined : bounded(rest.atHeight, '--at-height', 0, 2 ** 53 - 1),
  }
}

const dayMs = 86_400_000

/**
 * ms since 1970. A time without a zone would mean another one on each machine, so it is refused; a day is one
 * of UTC, as all times here are printed, and `--to` a day means its end.
 */
function timeBound(text: string, option: '--from' | '--to'): number {
  const [, day, time] =
    /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/.exec(text) ?? []
  if (day !== undefined) {
    // `Date.parse` takes the 30th of February for the 2nd of March.
    const begin = Date.parse(day)
    const isDay = !Number.isNaN(begin) && new Date(begin).toISOString().startsWith(day)
    const value = time === undefined ? begin + (option === '--to' ? dayMs - 1 : 0) : Date.parse(text)
    return isDay && !Number.isNaN(value) ? value : usage(`${option} ${text}: there is no such time`)
  }
  // 2026 and 20261123 are years and days to whoever types them; so many ms are a moment of January 1970.
  if (/^\d{13}$/.test(text)) return Number(text)
  const number = /^\d+$/.test(text) ? '; a plain number is taken as ms since 1970 if it has 13 digits' : ''
  return usage(
    `${option} ${text}: a time with its zone (2026-11-23T08:00Z) or a day (2026-11-23) expected${number}`,
  )
}

/** The bounds as they were understood: a slip shows here, not as records that are missing. */
export function boundsText({ by, from, to }: ReturnType<typeof recordQueryOf>): string {
  const shown = (bound: number): string =>
    by === 'arrival' ? `#${bound}` : new Date(bound).toISOString().replace('T', ' ')
  const words = [
    from === undefined ? '' : ` from ${shown(from)}`,
    to === undefined ? '' : ` to ${shown(to)}`,
  ]
  return from === undefined && to === undefined ? '' : `, ${by}${words.join('')},`
}

const wholeOf = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : NaN)

function bounded(text: string, option: string, least: number, most: number): number {
  const value = wholeOf(text)
  return value >= least && value <= most
    ? value
    : usage(
        `${option}: a whole number from ${least}${most > recordLimitMax ? ' on' : ` to ${most}`} expected`,
      )
}

function usage(message: string): never {
  throw new CommandError('USAGE', message, exitStatus.usage)
}

function recordLine(record: RecordJson): string {
  const time = new Date(record.effectiveTime).toISOString().slice(0, 19).replace('T', ' ')
  const body = record.body ?? {}
  const value = record.kind === 'observation' ? observationText(body) : textOf(body)
  const arrived = new Date(record.arrivalTime).toISOString().slice(0, 19).replace('T', ' ')
  const by = `by ${visibleText(record.author.label)}, arrived ${arrived} in block ${record.arrivalHeight}`
  return `${time}  #${record.number}  ${record.kind} ${record.code}  ${visibleText(value)}  (${by})\n`
}

function observationText(body: Record<string, unknown>): string {
  if (typeof body.text === 'string' && body.text !== '') return body.text
  return `${decimalText(String(body.value), Number(body.scale))} ${String(body.unit)}`
}

/** 386 with scale 1 is 38.6. */
export function decimalText(digits: string, scale: number): string {
  if (scale === 0) return digits
  const negative = digits.startsWith('-')
  const padded = (negative ? digits.slice(1) : digits).padStart(scale + 1, '0')
  return `${negative ? '-' : ''}${padded.slice(0, -scale)}.${padded.slice(-scale)}`
}

function textOf(body: Record<string, unknown>): string {
  const words = ['summary', 'display', 'text', 'family', 'response', 'status', 'contentType']
  return words
    .flatMap((name) => (typeof body[name] === 'string' && body[name] !== '' ? [body[name]] : []))
    .join(', ')
}

async function listAlerts(options: QueryOptions): Promise<void> {
  const client = connect(options)
  await signIn(client, options.as)
  if (options.linearizable) must(await client.linearize())
  const { alerts } = must(await client.alerts(options.patient))
  for (const alert of alerts)
    process.stdout.write(options.json ? `${JSON.stringify(alert)}\n` : alertText(alert))
  if (alerts.length === 0 && !options.json) process.stdout.write('no alerts\n')
  await client.signOut()
}

const severityNames = ['', 'info', 'urgent', 'CRITICAL']

export function alertText(alert: AlertView): string {
  const inputs = alert.inputs.map((input) => {
    const value = input.text === '' ? `${decimalText(input.value, input.scale)} ${input.unit}` : input.text
    return `    ${input.label}: ${value}, ${input.points} points, ${input.threshold}`
  })
  const lines = [
    `${severityNames[alert.severity]}  ${alert.summary}  [${alert.state}, block ${alert.height}]`,
    `  by ${alert.rule} ${alert.ruleVersion} (${alert.ruleAddress.slice(0, 16)})`,
    ...alert.basis.map((line) => `  because ${line}`),
    ...inputs,
    ...(alert.missing.length > 0 ? [`  missing: ${alert.missing.join(', ')}`] : []),
  ]
  return `${lines.map(visibleText).join('\n')}\n`
}
