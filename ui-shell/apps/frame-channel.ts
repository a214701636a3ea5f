// A page's side of the channel: says hello to whoever framed it, takes the port, asks questions, hears
// events. It has nothing else: no network, no storage, no parent.
import {
  helloMessage,
  parseShellMessage,
  portMessage,
  requestsInFlightMax,
  type FrameContext,
  type FrameProposal,
  type FrameRequest,
  type ShellAnswer,
  type ShellEvent,
} from '../channel/messages.js'

export type Told<T> = { ok: true; value: T } | { ok: false; code: string; sentence: string }

export interface FrameChannel {
  context: FrameContext
  ask<T>(method: 'alerts' | 'orders'): Promise<Told<T>>
  askRecords<T>(kind: string, limit: number, code?: string): Promise<Told<T>>
  /** Resolves when the person has signed, cancelled, or was refused. */
  propose<T>(proposal: FrameProposal): Promise<Told<T>>
  onEvent(listener: (event: ShellEvent) => void): void
}

type Waiting = (answer: ShellAnswer) => void

/** Resolves once the shell has handed over its port and said whose page this is. */
export function openChannel(): Promise<FrameChannel> {
  return new Promise((resolve) => {
    const onPort = (event: MessageEvent): void => {
      const message = event.data as { wardchain?: unknown } | null
      if (event.source !== window.parent || message?.wardchain !== portMessage.wardchain) return
      window.removeEventListener('message', onPort)
      void startChannel(event.ports[0]).then(resolve)
    }
    window.addEventListener('message', onPort)
    window.parent.postMessage(helloMessage, '*')
  })
}

/** Activity is worth telling at most this often. */
const activeEveryMs = 15_000

async function startChannel(port: MessagePort): Promise<FrameChannel> {
  const listeners: ((event: ShellEvent) => void)[] = []
  const waiting = new Map<number, Waiting>()
  const queue: FrameRequest[] = []
  let lastId = 0
  // The shell refuses more than so many at once; what is beyond waits here.
  const pump = (): void => {
    while (queue.length > 0 && waiting.size < requestsInFlightMax) {
      const request = queue.shift() as FrameRequest & { settle?: Waiting }
      const { settle, ...message } = request
      if (settle) waiting.set(message.id, settle)
      port.postMessage(message)
    }
  }
  const ask = <T>(part: { method: string; args: object }): Promise<Told<T>> =>
    new Promise((resolve) => {
      lastId += 1
      const settle: Waiting = (answer) => resolve(answer as Told<T>)
      queue.push({ id: lastId, ...part, settle } as unknown as FrameRequest)
      pump()
    })
  port.onmessage = (event: MessageEvent) => {
    const message = parseShellMessage(event.data)
    if (message === undefined) return
    if ('event' in message) {
      if (message.event === 'ping') port.postMessage({ pong: message.count })
      for (const listener of listeners) listener(message)
      return
    }
    waiting.get(message.id)?.(message)
    waiting.delete(message.id)
    pump()
  }
  tellActivity(() => void ask({ method: 'active', args: {} }))
  const told = await ask<FrameContext>({ method: 'context', args: {} })
  if (!told.ok) throw new Error(told.code)
  const { patient } = told.value
  return {
    context: told.value,
    ask: (method) => ask({ method, args: { patient } }),
    askRecords: (kind, limit, code) =>
      ask({
        method: 'records',
        args: code === undefined ? { patient, kind, limit } : { patient, kind, limit, code },
      }),
    propose: (proposal) => ask({ method: 'propose', args: { patient, proposal } }),
    onEvent: (listener) => listeners.push(listener),
  }
}

/**
 * The shell cannot see keys and touches in a frame; without this it would lock under a reading nurse's
 * hands.
 */
function tellActivity(tell: () => void): void {
  let last = 0
  const onActivity = (): void => {
    const now = Date.now()
    if (now - last < activeEveryMs) return
    last = now
    tell()
  }
  for (const type of ['pointerdown', 'keydown', 'wheel'])
    window.addEventListener(type, onActivity, { passive: true })
}
