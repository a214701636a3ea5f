// Checks that no linter makes: import direction, purity, folder depth, front-page READMEs, machine paths,
// lock file. Run by `npm run check`; prints each finding with its place and exits 1 when there is any.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

interface Finding {
  file: string
  line: number
  text: string
}

/** Which rooms a file of a room may import from (besides its own room). Longest prefix wins. */
const allowedImports: [room: string, from: string[]][] = [
  ['runtime/protocol', []],
  ['runtime/module', ['runtime/protocol']],
  ['runtime/state', ['runtime/protocol']],
  ['runtime/execution', ['runtime/protocol', 'runtime/module', 'runtime/state']],
  ['runtime/light', ['runtime/protocol', 'runtime/state']],
  ['consensus/pbft', ['runtime/protocol']],
  ['consensus/driver', ['runtime/protocol', 'consensus/pbft']],
  ['consensus/sim', ['runtime/protocol', 'consensus/pbft', 'consensus/driver']],
  ['consensus/net', ['runtime/protocol', 'consensus/pbft', 'consensus/driver']],
  ['host', ['runtime', 'consensus']],
  ['ui-shell', ['runtime/protocol', 'host/api']],
  ['tools', ['runtime', 'consensus', 'host', 'ui-shell']],
]

const pureRooms = [
  'runtime/protocol',
  'runtime/module',
  'runtime/state',
  'runtime/execution',
  'runtime/light',
  'consensus/pbft',
  'consensus/driver',
  'consensus/sim',
]

/** Words that no pure room may hold outside comments. Time, chance and the engine's words never enter it. */
const impureWords =
  /\b(Date\.|new Date|Math\.random|performance\.|setTimeout|setInterval|setImmediate|queueMicrotask|console\.|process\.|Buffer\.|globalThis|localeCompare|toLocale\w*|Intl\.|async |await |Promise\b)/

const roomOf = (file: string): string | undefined => {
  const matches = allowedImports.filter(([room]) => file === room || file.startsWith(`${room}/`))
  return matches.sort((left, right) => right[0].length - left[0].length)[0]?.[0]
}

function main(): void {
  const files = execFileSync('git', ['ls-files'], { encoding: 'utf8' })
    .split('\n')
    .filter((file) => existsSync(file))
  const findings: Finding[] = []
  for (const file of files) {
    if (/\.(ts|tsx)$/.test(file) && !file.endsWith('.d.ts')) checkSource(file, findings)
    checkText(file, findings)
    checkDepth(file, findings)
  }
  for (const folder of ['runtime', 'contracts-as', 'consensus', 'host', 'ui-shell', 'tools']) {
    if (!existsSync(`${folder}/README.md`))
      findings.push({ file: `${folder}/README.md`, line: 1, text: 'is missing' })
  }
  if (/"resolved": *"https?:/.test(readFileSync('package-lock.json', 'utf8'))) {
    findings.push({ file: 'package-lock.json', line: 1, text: 'records download addresses' })
  }
  for (const { file, line, text } of findings) process.stdout.write(`${file}:${line}  ${text}\n`)
  process.stdout.write(findings.length === 0 ? 'tidy: clean\n' : `tidy: ${findings.length} finding(s)\n`)
  process.exitCode = findings.length === 0 ? 0 : 1
}

const isTestFile = (file: string): boolean => /\.(test|bench|fixture)\.tsx?$/.test(file)

function checkSource(file: string, findings: Finding[]): void {
  const room = roomOf(file)
  const lines = readFileSync(file, 'utf8').split('\n')
  lines.forEach((text, index) => {
    const imported = /from '(\.{1,2}\/[^']+)'/.exec(text) ?? /import\('(\.{1,2}\/[^']+)'\)/.exec(text)
    if (imported && room && !isTestFile(file)) {
      const target = path.posix.join(path.posix.dirname(file), imported[1])
      const targetRoom = roomOf(target)
      if (targetRoom && targetRoom !== room && !mayImport(room, target)) {
        findings.push({ file, line: index + 1, text: `${room} must not import ${target}` })
      }
    }
    const code = text.replace(/\/\/.*$/, '').replace(/^\s*\*.*$/, '')
    if (room && pureRooms.includes(room) && !isTestFile(file) && isImpure(code)) {
      findings.push({ file, line: index + 1, text: `impure: ${text.trim().slice(0, 80)}` })
    }
    if (/\.(only|skip)\(/.test(code) && isTestFile(file) && !/skip\([^)]*['"`]/.test(code)) {
      findings.push({ file, line: index + 1, text: 'a test is switched off or alone, without a reason' })
    }
  })
}

const isImpure = (code: string): boolean =>
  impureWords.test(withoutStrings(code)) || /from 'node:/.test(code)

/** Words in texts for people are not calls: a sentence may say what is not available. */
const withoutStrings = (code: string): string => code.replace(/'[^']*'|"[^"]*"|`[^`$]*`/g, "''")

function mayImport(room: string, target: string): boolean {
  const allowed = allowedImports.find(([known]) => known === room)?.[1] ?? []
  return allowed.some((prefix) => target === prefix || target.startsWith(`${prefix}/`))
}

const machinePath = /(^|[^A-Za-z0-9.])\/(work|farm|root)\/[A-Za-z.]/

function checkText(file: string, findings: Finding[]): void {
  if (/\.(wasm|png|gz|cbor|hl7|wast)$/.test(file) || file === 'tools/tidy.ts') return
  readFileSync(file, 'utf8')
    .split('\n')
    .forEach((text, index) => {
      if (machinePath.test(text))
        findings.push({ file, line: index + 1, text: 'names a path of one machine' })
    })
}

/** Folders at most three deep: a reader must find a file by its room. */
function checkDepth(file: string, findings: Finding[]): void {
  if (file.split('/').length > 5) findings.push({ file, line: 1, text: 'lies more than four folders deep' })
}

main()
