// Questions that are not secret: asked at the terminal, or answered by the next line of standard input.
import { isCancel, text } from '@clack/prompts'
import { CommandError } from './command-error.js'
import { readPassword } from './password.js'

/**
 * The answer as typed. Shares the lines of standard input with the passwords, in the order of the
 * questions.
 */
export async function ask(question: string): Promise<string> {
  if (!process.stdin.isTTY) return new TextDecoder().decode(await readPassword(question))
  const answer = await text({ message: question })
  if (isCancel(answer)) throw new CommandError('CANCELLED', 'Cancelled. Nothing was changed.')
  return answer
}
