// `npm run conformance -- <folder> [--json] [--failures <n>]`: runs every `.wast` script of a folder
// through reader, validator, instrumenter and call path, policy off, and compares raw and metered results
// with the script, bit for bit. The last line is
// `{"files","modules","assertions","passed","failed","skipped":{reason:count}}`; exit 0 without failures.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createAssembler } from './conformance/assembler.js'
import { runWast, type WastReport } from './conformance/wast-runner.js'

interface Totals {
  files: number
  modules: number
  assertions: number
  passed: number
  failed: number
  skipped: Record<string, number>
}

async function main(args: readonly string[]): Promise<number> {
  const folder = args.find((argument) => !argument.startsWith('--'))
  if (folder === undefined) {
    process.stderr.write('usage: npm run conformance -- <folder or file> [--json] [--verbose]\n')
    return 2
  }
  const isJson = args.includes('--json')
  const totals: Totals = { files: 0, modules: 0, assertions: 0, passed: 0, failed: 0, skipped: {} }
  const assembler = await createAssembler()
  for (const path of findScripts(folder)) {
    const report = runWast(readFileSync(path), assembler)
    addReport(totals, report)
    const name = relative(folder, path) || path
    if (!isJson)
      console.log(`${name}: ${report.passed} of ${report.assertions} passed, ${report.modules} modules`)
    const shown = args.includes('--verbose') ? report.failures : report.failures.slice(0, 5)
    for (const { line, command, detail } of shown)
      process.stderr.write(`  ${name}:${line}: ${detail}\n    ${command}\n`)
  }
  if (!isJson) printSkipped(totals)
  console.log(JSON.stringify(totals))
  return totals.failed === 0 && totals.files > 0 ? 0 : 1
}

function findScripts(folder: string): string[] {
  if (statSync(folder).isFile()) return [folder]
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return names
    .filter((name) => name.endsWith('.wast'))
    .sort()
    .map((name) => join(folder, name))
}

function addReport(totals: Totals, report: WastReport): void {
  totals.files++
  totals.modules += report.modules
  totals.assertions += report.assertions
  totals.passed += report.passed
  totals.failed += report.failures.length
  for (const [reason, count] of report.skipped)
    totals.skipped[reason] = (totals.skipped[reason] ?? 0) + count
}

function printSkipped(totals: Totals): void {
  for (const [reason, count] of Object.entries(totals.skipped)) console.log(`skipped ${count}: ${reason}`)
}

process.exitCode = await main(process.argv.slice(2))
