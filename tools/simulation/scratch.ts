// A copy of the compiled core in which bugs are planted, one at a time, and a simulator that runs there.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Mutation } from './planted-bugs.js'

export interface Finding {
  readonly name: string
  readonly found: boolean
  readonly seeds: number
  readonly invariant: string
}

export interface Printed {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export class Scratch {
  readonly #folder = mkdtempSync(join(tmpdir(), 'wardchain-mutations-'))

  constructor() {
    for (const part of ['consensus', 'runtime', 'tools']) {
      const isCode = (path: string) => !path.endsWith('.test.js') && !path.endsWith('.map')
      cpSync(resolve('dist', part), join(this.#folder, 'dist', part), { recursive: true, filter: isCode })
    }
    cpSync('package.json', join(this.#folder, 'package.json'))
    symlinkSync(resolve('node_modules'), join(this.#folder, 'node_modules'))
  }

  /** Plants the bug, does the work, takes it out again. */
  with<T>({ name, file, edits }: Mutation, work: () => T): T {
    const path = join(this.#folder, 'dist/consensus/pbft', file)
    const original = readFileSync(path, 'utf8')
    let text = original
    for (const [find, replace] of edits) {
      const count = text.split(find).length - 1
      if (count !== 1) throw new Error(`${name}: ${count} places in ${file} for ${find}`)
      text = text.replace(find, () => replace)
    }
    writeFileSync(path, text)
    try {
      return work()
    } finally {
      writeFileSync(path, original)
    }
  }

  /** `npm run simulate -- ...` on this copy. */
  simulate(words: readonly string[]): Printed {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/tools/simulate.js', ...words], {
      cwd: this.#folder,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    })
    return { status, stdout, stderr }
  }

  /** Runs seeds `first` to `last` with the bug until one fails. */
  find(bug: Mutation, first: number, last: number): Finding {
    const words = ['--seeds', `${first}..${last}`, '--stop', '--json', ...bug.options]
    const { stdout, stderr } = this.with(bug, () => this.simulate(words))
    const summary = stdout.trim().split('\n').at(-1) ?? ''
    if (!summary.startsWith('{')) throw new Error(`${bug.name}: ${stderr}`)
    const [failure] = (JSON.parse(summary) as { failures: { seed: number; invariant: string }[] }).failures
    const [seeds, invariant] = [failure?.seed ?? last, failure?.invariant ?? '']
    return { name: bug.name, found: failure !== undefined, seeds, invariant }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
