// Passwords come from the terminal, hidden, or from standard input; never from an argument or the
// environment.
import { password as ask, isCancel } from '@clack/prompts'
import { CommandError } from './command-error.js'

/** What came on standard input and was not asked for yet. */
let piped = ''

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

/** One line and no more: what comes later may be for somebody else, and the pipe may stay open for long. */
async function nextPipedLine(question: string): Promise<string> {
  while (!piped.includes('\n') && (await readPiped()));
  const end = piped.indexOf('\n')
  const line = end < 0 ? piped : piped.slice(0, end)
  piped = end < 0 ? '' : piped.slice(end + 1)
  if (line === '')
    throw new CommandError('PASSWORD_MISSING', `No password on standard input for: ${question}`)
  return line.replace(/\r$/, '')
}

/** False at the end of standard input. */
function readPiped(): Promise<boolean> {
  const { stdin } = process
  if (stdin.readableEnded) return Promise.resolve(false)
  stdin.setEncoding('utf8')
  return new Promise((resolve, reject) => {
    const done = (more: boolean): void => {
      stdin.off('data', onData).off('end', onEnd).off('error', reject)
      stdin.pause()
      resolve(more)
    }
    const onData = (text: string): void => {
      piped += text
      done(true)
    }
    const onEnd = (): void => done(false)
    stdin.on('data', onData).once('end', onEnd).once('error', reject)
    stdin.resume()
  })
}
