// `frame-note`: what it costs to say which contract runs, in memory and in the file that outlives us.
// A call between contracts pays it twice: when it begins, and when its caller goes on.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createNoteMemory, ExecutionNote } from './execution-note.js'

const rounds = 300_000

function frameNote(): object[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-note-'))
  const note = new ExecutionNote(createNoteMemory(), path.join(folder, 'executing-now'))
  const id = new Uint8Array(32).fill(7)
  const frames = [0, 1].map((depth) => ({
    ...{ transactionId: id, cause: id, height: 7, alias: `acme/rule-${depth}`, address: id },
    ...{ method: 'onReading', depth },
  }))
  const tell = (): void => {
    for (let index = 0; index < rounds; index += 1) note.tell(frames[index & 1])
  }
  try {
    tell()
    const before = process.cpuUsage()
    tell()
    const { user, system } = process.cpuUsage(before)
    const value = Math.round((100 * (user + system)) / rounds) / 100
    return [{ name: 'frame-note', value, unit: 'us', input: 'processor time of one frame that is told' }]
  } finally {
    note.close()
    rmSync(folder, { recursive: true })
  }
}

export const benches = [{ name: 'frame-note', run: () => Promise.resolve(frameNote()) }]
