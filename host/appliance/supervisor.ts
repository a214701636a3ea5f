// What systemd is told while it supervises the node: ready, alive, stopping. Node.js has no datagram sockets
// of the AF_UNIX kind, so systemd's own `systemd-notify` carries the words, one short process each.
import { spawn } from 'node:child_process'

/** Says one assignment, e.g. `WATCHDOG=1`; never throws. */
export type Notify = (assignment: string) => void

/** Undefined when no supervisor listens. */
export function notifyOf(environment: NodeJS.ProcessEnv): Notify | undefined {
  if (environment.NOTIFY_SOCKET === undefined) return undefined
  return (assignment) => {
    const child = spawn('systemd-notify', [assignment], { stdio: 'ignore', env: environment })
    // A machine without the command is a machine whose watchdog will say so; the node goes on.
    child.on('error', () => undefined)
    child.unref()
  }
}

export class Supervisor {
  private readonly timer: NodeJS.Timeout | undefined

  /**
   * `WATCHDOG_USEC` asks for a sign of life; it gets three in that time while this thread turns. A stuck
   * executor has its own limit and becomes a fault that `status` shows: killing the node would not mend it.
   */
  constructor(
    private readonly notify: Notify | undefined,
    environment: NodeJS.ProcessEnv,
  ) {
    const watchdogMs = Number(environment.WATCHDOG_USEC ?? 0) / 1_000
    if (!notify || !(watchdogMs > 0)) return
    this.timer = setInterval(() => notify('WATCHDOG=1'), watchdogMs / 3)
    this.timer.unref()
  }

  /** The page is up; whether the node is unsealed is in its status. */
  ready(): void {
    this.notify?.('READY=1')
  }

  stopping(): void {
    clearInterval(this.timer)
    this.notify?.('STOPPING=1')
  }
}
