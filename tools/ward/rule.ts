// `ward rule`: the commands for rules, and `eval`: one rule, in the real runtime, on observations that you
// give.
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { decodeToJson } from '../../host/api/borsh-json.js'
import { alertViews, orderViews, recordToJson } from '../../host/api/views.js'
import { evaluateRule, type RuleOutcome } from '../../runtime/execution/index.js'
import type { LedgerRecord } from '../../runtime/execution/index.js'
import { errorTable, explanationEntry, type ErrorCode } from '../../runtime/protocol/index.js'
import { CommandError } from './command-error.js'
import { alertText, decimalText } from './query.js'
import { parseRuleInput } from './rule-input.js'
import { addShipCommands } from './rule-ship.js'
import { addSwitchCommands } from './rule-switch.js'
import { addVersionsCommand } from './rule-versions.js'
import { createScratchChain, ports } from './scratch-chain.js'
import { readContract, readContracts } from './system-contracts.js'

const example = `
Example:
  ward rule eval ward/sepsis-screen --input '{"patient":{"birthDate":"19970214","sex":"F"},
    "findings":[{"code":"wound-assessment","concepts":["redness","purulent-drainage"]}],
    "observations":[{"code":"8310-5","value":"38.6","unit":"Cel"},{"code":"8480-6","value":"80","unit":"mm[Hg]"}]}'

--input is JSON, or the name of a file with it, or - for standard input. Observations may have "minutesAgo" and
"validation" (0 device, 1 validated, 2 by hand); coded ones have "text" instead of a value. "history" holds
observations and findings that were there before and trigger nothing.`

export function addRuleCommands(program: Command): void {
  const rule = program
    .command('rule')
    .description('rules: evaluate, deploy, approve, activate, roll back, list versions')
  addShipCommands(rule)
  addSwitchCommands(rule)
  addVersionsCommand(rule)
  rule
    .command('eval')
    .description('run one rule in the real runtime on given observations: result, explanation, fuel')
    .argument('<alias>', 'a rule of this installation, e.g. ward/sepsis-screen')
    .requiredOption('--input <json>', 'observations and findings (see below)')
    .option('--json', 'one JSON object')
    .addHelpText('after', example)
    .action(runEval)
}

function runEval(alias: string, options: { input: string; json?: boolean }): void {
  const system = ['ward-policy', 'ward-governance', 'ward-alerts', 'ward-orders', 'ward-appliance']
  const chain = createScratchChain(readContracts(system), Date.now())
  const contract = readContract(alias.replace('/', '-'))
  const input = parseRuleInput(readInput(options.input), chain.time)
  const outcome = evaluateRule(
    chain.state,
    { rule: { manifest: contract.manifest, code: contract.code }, ...input },
    { height: 1, time: chain.time + 1 },
    chain.cache,
    ports,
  )
  if (!outcome.ok)
    throw new CommandError(outcome.code, `${errorTable[outcome.code].sentence} (${outcome.detail ?? ''})`)
  process.stdout.write(
    options.json ? `${JSON.stringify(jsonOf(outcome.value))}\n` : textOf(alias, outcome.value),
  )
}

function readInput(text: string): unknown {
  const source =
    text === '-' ? readFileSync(0, 'utf8') : text.trimStart().startsWith('{') ? text : readFile(text)
  try {
    return JSON.parse(source) as unknown
  } catch {
    throw new CommandError('INPUT_MALFORMED', '--input is not JSON. See `ward rule eval --help`.')
  }
}

function readFile(name: string): string {
  try {
    return readFileSync(name, 'utf8')
  } catch {
    throw new CommandError('INPUT_MISSING', `${name} cannot be read.`)
  }
}

const nobody = { entity: '', label: '', roles: [] }

function viewsOf(records: readonly LedgerRecord[]) {
  const json = records.flatMap((record) => {
    const { header, body, ...rest } = record
    const entry = {
      ...rest,
      ...header,
      arrivalHeight: record.height,
      arrivalTime: record.time,
      body: body.content,
    }
    return recordToJson(entry, nobody, 'tentative') ?? []
  })
  return { alerts: alertViews(json), orders: orderViews(json) }
}

function explanationsOf(outcome: RuleOutcome): string[] {
  return outcome.explanations.flatMap(({ entries }) => entries.flatMap((bytes) => explanationText(bytes)))
}

function explanationText(bytes: Uint8Array): string[] {
  const entry = decodeToJson(explanationEntry, bytes)
  if (!entry.ok) return []
  const { factor, value, scale, unit, points, text } = entry.value as Record<string, string | number>
  const words = text === '' ? `${decimalText(String(value), Number(scale))} ${unit}` : String(text)
  return [`${factor}: ${words}${points === 0 ? '' : `, ${points} points`}`]
}

function jsonOf(outcome: RuleOutcome): object {
  const { alerts, orders } = viewsOf(outcome.records)
  const { code, detail, fuelUsed } = outcome
  return { code, detail, fuelUsed, alerts, orders, explanation: explanationsOf(outcome) }
}

function textOf(alias: string, outcome: RuleOutcome): string {
  const { alerts, orders } = viewsOf(outcome.records)
  const code = outcome.code === 'OK' ? 'ran' : outcome.code
  const sentence =
    outcome.code === 'OK' || outcome.code === 'NOT_TRIGGERED'
      ? ''
      : errorTable[outcome.code as ErrorCode].sentence
  const lines = [`${alias}: ${code} ${outcome.detail} ${sentence}`.trim(), `fuel: ${outcome.fuelUsed}`]
  if (alerts.length === 0) lines.push('no alert')
  for (const alert of alerts) lines.push(alertText(alert).trimEnd())
  for (const order of orders) lines.push(`proposes: ${order.display} (${order.category})`)
  for (const entry of explanationsOf(outcome)) lines.push(`explains: ${entry}`)
  for (const { text } of outcome.diagnostics) lines.push(`log: ${text}`)
  return `${lines.join('\n')}\n`
}
