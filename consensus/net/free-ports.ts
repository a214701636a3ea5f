// Ports of this machine for nodes that are founded now and bind them later, perhaps in other processes. A
// port that the system hands out for "any" may be handed out again in between, to any connection of any
// process; so these lie below the range that systems hand out, and each process has blocks of its own.
import { createSocket } from 'node:dgram'
import { createServer, type Server } from 'node:net'

export type PortKind = 'udp' | 'tcp'

const host = '127.0.0.1'
const firstPort = 16_384
/** Below what Linux (32768 and up), macOS, Windows and IANA (49152 and up) hand out. */
const endPort = 32_768
const blockSize = 64
const blockCount = (endPort - firstPort) / blockSize

/** Listening on the first port of a block makes it this process's own until it ends. */
const held: Server[] = []
let next = 0
let end = 0
let taking: Promise<unknown> = Promise.resolve()

/**
 * `count` ports of 127.0.0.1 that are free now and that nobody gets by chance while this process runs. Throws
 * when this machine has no more of them.
 */
export function freePorts(count: number, kind: PortKind): Promise<number[]> {
  const taken = taking.then(async () => {
    const ports: number[] = []
    while (ports.length < count) ports.push(await nextFree(kind))
    return ports
  })
  taking = taken.catch(() => undefined)
  return taken
}

async function nextFree(kind: PortKind): Promise<number> {
  for (;;) {
    if (next === end) await takeBlock()
    const port = next
    next += 1
    if (await isFree(port, kind)) return port
  }
}

async function takeBlock(): Promise<void> {
  // Processes that start one after the other begin at different blocks; which one is of no importance.
  const begin = process.pid % blockCount
  for (let tried = 0; tried < blockCount; tried += 1) {
    const start = firstPort + ((begin + tried) % blockCount) * blockSize
    const server = await listen(start)
    if (server === undefined) continue
    server.unref()
    held.push(server)
    next = start + 1
    end = start + blockSize
    return
  }
  throw new Error(`no block of ${blockSize} free ports from ${firstPort} to ${endPort - 1} on ${host}`)
}

function isFree(port: number, kind: PortKind): Promise<boolean> {
  return kind === 'udp' ? isFreeForUdp(port) : isFreeForTcp(port)
}

async function isFreeForTcp(port: number): Promise<boolean> {
  const server = await listen(port)
  if (server === undefined) return false
  await new Promise((resolve) => server.close(resolve))
  return true
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', () => resolve(undefined))
    server.listen({ port, host, exclusive: true }, () => resolve(server))
  })
}

function isFreeForUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.once('error', () => {
      socket.close()
      resolve(false)
    })
    socket.bind({ port, address: host, exclusive: true }, () => socket.close(() => resolve(true)))
  })
}
