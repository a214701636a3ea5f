// `ward record list` and `ward alert list`: what a signed-in person may see.
import type { Command } from 'commander'
import type { AlertView, RecordJson } from '../../host/api/node-port.js'
import { recordKind, type RecordKindName } from '../../runtime/protocol/index.js'
import { CommandError, exitStatus } from './command-error.js'
import { connect, must, signIn, type NodeChoice } from './connect.js'
import { visibleText } from './visible-text.js'

interface QueryOptions extends NodeChoice {
  as: string
  patient?: string
  kind: string
  code?: string
  limit: string
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
    .action(listRecords)
  const alert = program.command('alert').description('alerts')
  common(alert.command('list').description('list alerts, newest first')).action(listAlerts)
}

async function listRecords(options: QueryOptions): Promise<void> {
  if (!(options.kind in recordKind)) {
    throw new CommandError(
      'USAGE',
      `--kind must be one of ${Object.keys(recordKind).join(', ')}`,
      exitStatus.usage,
    )
  }
  const client = connect(options)
  await signIn(client, options.as)
  if (options.linearizable) must(await client.linearize())
  const all = must(await client.patients()).patients.map((patient) => patient.patient)
  const patients = options.patient === undefined ? all : [options.patient]
  for (const patient of patients) {
    const query = { patient, kind: options.kind as RecordKindName, limit: Number(options.limit) }
    const { records } = must(
      await client.records(options.code === undefined ? query : { ...query, code: options.code }),
    )
    for (const record of records) {
      process.stdout.write(options.json ? `${JSON.stringify(record)}\n` : recordLine(record))
    }
  }
  await client.signOut()
}

function recordLine(record: RecordJson): string {
  const time = new Date(record.effectiveTime).toISOString().slice(0, 19).replace('T', ' ')
  const body = record.body ?? {}
  const value = record.kind === 'observation' ? observationText(body) : textOf(body)
  return `${time}  #${record.number}  ${record.kind} ${record.code}  ${visibleText(value)}  (${visibleText(record.author.label)}, block ${record.arrivalHeight})\n`
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
