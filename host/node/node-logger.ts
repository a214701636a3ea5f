// Structured logs without patient data: fields hold codes, heights, ids and counts; never record bodies.
import { pino, type Logger } from 'pino'

export type NodeLogger = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

/** JSON lines on standard output; the supervisor rotates them. */
export function createNodeLogger(name: string, level: string): NodeLogger {
  return pino({ level, base: { node: name }, timestamp: pino.stdTimeFunctions.isoTime })
}
