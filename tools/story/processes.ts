// Child processes of the story: the `ward` command itself, each node a process of its own. Only these are
// ever ended.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { CommandError } from '../ward/command-error.js'
import type { PlannedNode } from './plan.js'

const wardFile = fileURLToPath(new URL('../ward.js', import.meta.url))

/** Runs one `ward` command to its end; `lines` go to its standard input (passwords). */
export function runWard(args: readonly string[], lines: readonly string[] = []): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [wardFile, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')))
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')))
    child.on('error', reject)
    child.on('exit', (status) => {
      if (status === 0) resolve(output)
      else
        reject(
          new CommandError('STEP_FAILED', `ward ${args.slice(0, 2).join(' ')} failed: ${errors.trim()}`),
        )
    })
    child.stdin.end(lines.map((line) => `${line}\n`).join(''))
  })
}

export class NodeProcesses {
  private readonly running = new Map<string, ChildProcess>()
  private ending = false

  /** Further variables of a node's environment; tests of partitions name a file of cuts there. */
  environmentOf: (name: string) => Record<string, string> = () => ({})

  /** Called when a node ends although nobody asked it to. */
  onUnexpectedExit: (name: string, status: string) => void = () => undefined

  constructor(private readonly folder: string) {
    mkdirSync(path.join(folder, 'logs'), { recursive: true })
  }

  folderOf(name: string): string {
    return path.join(this.folder, name)
  }

  start(node: PlannedNode): void {
    const log = openSync(path.join(this.folder, 'logs', `${node.name}.log`), 'a')
    // The pipe is never written to: when this process ends, however it ends, its nodes end too.
    const args = [wardFile, 'node', '--dir', this.folderOf(node.name), '--until-stdin-ends']
    const env = { ...process.env, ...this.environmentOf(node.name) }
    const child = spawn(process.execPath, args, { stdio: ['pipe', log, log], env })
    this.running.set(node.name, child)
    child.on('exit', (status, signal) => {
      if (this.running.get(node.name) !== child) return
      this.running.delete(node.name)
      if (!this.ending && signal !== 'SIGKILL') this.onUnexpectedExit(node.name, String(status ?? signal))
    })
  }

  /** SIGKILL: nothing is flushed, no goodbye is said. */
  kill(name: string): Promise<void> {
    if (!this.running.has(name))
      throw new CommandError('NODE_UNKNOWN', `no running node is called "${name}"`)
    return this.end(name, 'SIGKILL')
  }

  /** SIGSTOP and SIGCONT: the process stands still, its sockets stay open, and it learns nothing of it. */
  freeze(name: string): void {
    this.running.get(name)?.kill('SIGSTOP')
  }

  thaw(name: string): void {
    this.running.get(name)?.kill('SIGCONT')
  }

  pidOf(name: string): number | undefined {
    return this.running.get(name)?.pid
  }

  isRunning(name: string): boolean {
    return this.running.has(name)
  }

  /** The end of each node's log. */
  lastWords(): string {
    const folder = path.join(this.folder, 'logs')
    const ends = readdirSync(folder).map((file) => {
      const lines = readFileSync(path.join(folder, file), 'utf8').trimEnd().split('\n')
      return [file, ...lines.slice(-6)].join('\n  ')
    })
    return ends.join('\n')
  }

  async endAll(): Promise<void> {
    this.ending = true
    // A frozen process hears no SIGTERM.
    for (const name of this.running.keys()) this.thaw(name)
    await Promise.all([...this.running.keys()].map((name) => this.end(name, 'SIGTERM')))
  }

  private end(name: string, signal: NodeJS.Signals): Promise<void> {
    const child = this.running.get(name)
    if (!child) return Promise.resolve()
    return new Promise((resolve) => {
      const force = setTimeout(() => child.kill('SIGKILL'), 10_000)
      child.once('exit', () => {
        clearTimeout(force)
        resolve()
      })
      child.kill(signal)
    })
  }
}
