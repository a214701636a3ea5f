// A node's folder with a cheap password, and the `ward` command as a process of its own.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { initNode } from '../../host/founding/init-node.js'

/** Each command is a process of its own, and machines that run tests are busy. */
export const patienceMs = 600_000

export const storePassword = 'store password of the test'

export function temporaryFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-appliance-'))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** A founded, never unlocked node. */
export async function foundNode(folder: string): Promise<void> {
  await initNode({
    folder,
    config: {
      name: 'test-node',
      role: 'observer',
      apiPort: 0,
      host: '127.0.0.1',
      port: 0,
      sources: [],
      environment: 'TEST',
    },
    password: new TextEncoder().encode(storePassword),
    cost: { passes: 1, memoryKiB: 64 },
  })
}

export interface Ran {
  status: number | null
  stdout: string
  stderr: string
}

/** Runs `ward` with lines on its standard input. */
export function ward(args: string[], lines: readonly string[] = []): Promise<Ran> {
  const child = spawn(process.execPath, ['dist/tools/ward.js', ...args], { stdio: 'pipe' })
  const ran: Ran = { status: null, stdout: '', stderr: '' }
  child.stdout.on('data', (part: Buffer) => (ran.stdout += part.toString('utf8')))
  child.stderr.on('data', (part: Buffer) => (ran.stderr += part.toString('utf8')))
  child.stdin.on('error', () => undefined)
  child.stdin.end(lines.map((line) => `${line}\n`).join(''))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ ...ran, status }))
  })
}
