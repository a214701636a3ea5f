// The trace of a transaction as lines: indented by depth, fuel at the right of what used it.
import type { Json, JsonObject, TraceStep } from '../../host/api/node-port.js'
import { visibleText } from './visible-text.js'

/** Values longer than this are cut in the text; `--json` has them whole. */
const valueLengthMax = 200

/** `frames`: where contracts were entered and left; `all`: every host call too. */
export function stepLines(steps: readonly TraceStep[], detail: 'frames' | 'all'): string[] {
  return steps.flatMap((step) => {
    const indent = '  '.repeat(step.depth + 1)
    if (step.type === 'enter') {
      const { alias, version, method, trigger, readOnly, fuel, address } = step
      const words = [trigger, ...(readOnly ? ['read only'] : [])].join(', ')
      return [
        `${indent}-> ${alias} ${version} ${method} [${words}] at ${address.slice(0, 16)}, may use ${number(fuel)} fuel`,
        `${indent}   input ${short(step.input)}`,
      ]
    }
    if (step.type === 'leave') {
      const returned = step.returned === undefined ? '' : `, returns ${short(step.returned)}`
      return [`${indent}<- ${step.code}, used ${number(step.fuelUsed)} fuel${returned}`]
    }
    return detail === 'all' ? [`${indent}   ${hostLine(step)}`] : []
  })
}

function hostLine(step: Extract<TraceStep, { type: 'host' }>): string {
  const { name, answer, result, stopped, fuelLeft } = step
  const parts = [
    `${name}(${argumentsText(step.arguments)})`,
    ...(answer === undefined ? [] : [`= ${short(answer)}`]),
    ...(result === undefined ? [] : [`-> ${short(result)}`]),
    ...(stopped === undefined ? [] : [`STOPPED: ${stopped}`]),
    `(${number(fuelLeft)} fuel left)`,
  ]
  return parts.join(' ')
}

const argumentsText = (args: JsonObject): string =>
  Object.entries(args)
    .map(([name, value]) => `${name} ${short(value)}`)
    .join(', ')

const number = (value: number): string => value.toLocaleString('en')

function short(value: Json): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  // Contracts choose what they log, return and answer: none of it may forge a line of the trace.
  return text.length > valueLengthMax
    ? `${visibleText(text.slice(0, valueLengthMax))}... (${text.length} characters)`
    : visibleText(text)
}
