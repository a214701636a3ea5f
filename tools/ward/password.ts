// Passwords come from the terminal, hidden, or from standard input; never from an argument or the
// environment.
import { password as ask, isCancel } from '@clack/prompts'
import { CommandError } from './command-error.js'

let pipedLines: string[] | undefined

/** The next password: asked at a terminal, else the next line of standard input. */
export async function readPassword(question: string): Promise<Uint8Array> {
  if (!process.stdin.isTTY) return new TextEncoder().encode(await nextPipedLine(question))
  const answer = await ask({ message: question })
  if (isCancel(answer)) throw new CommandError('CANCELLED', 'Cancelled. Nothing was changed.')
  return new TextEncoder().encode(answer)
}

/** Asked twice at a terminal, so that a slip does not lock anyone out. */
export async function readNewPassword(question: string): Promise<Uint8Array> {
  const first = await readPassword(question)
  if (first.length < 8) {
    throw new CommandError('PASSWORD_SHORT', 'A password needs at least 8 characters. Nothing was changed.')
  }
  if (!process.stdin.isTTY) return first
  const second = await readPassword(`${question} (again)`)
  const same = first.length === second.length && first.every((byte, index) => byte === second[index])
  second.fill(0)
  if (!same) throw new CommandError('PASSWORD_MISMATCH', 'The two passwords differ. Nothing was changed.')
  return first
}

async function nextPipedLine(question: string): Promise<string> {
  if (!pipedLines) {
    const parts: Buffer[] = []
    for await (const part of process.stdin) parts.push(part as Buffer)
    pipedLines = Buffer.concat(parts).toString('utf8').split('\n')
  }
  const line = pipedLines.shift()
  if (line === undefined || line === '') {
    throw new CommandError('PASSWORD_MISSING', `No password on standard input for: ${question}`)
  }
  return line.replace(/\r$/, '')
}
