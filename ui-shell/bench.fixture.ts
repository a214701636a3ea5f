// One running API with a small node and the built screens, and a browser on it.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { PageView } from '../host/api/node-port.js'
import { startApi, type ApiServer } from '../host/api/server.js'
import { createSmallNode, type SmallNode, type SmallNodeOptions } from '../host/api/small-node.fixture.js'
import { driveShell, findChromium, type DriveOptions, type ShellDriver } from './drive.fixture.js'

export const chartFile = 'dist/apps/ward-chart.html'
const shellFolder = 'dist/shell'

/** Words why browser tests cannot run here; undefined when they can. */
export function browserSkipReason(): string | undefined {
  if (findChromium() === undefined)
    return 'no Chromium on this machine (set WARDCHAIN_CHROMIUM to its path)'
  if (!existsSync(chartFile) || !existsSync(`${shellFolder}/shell.js`))
    return 'the screens are not built: npm run build'
  return undefined
}

export function pageOf(html: Uint8Array, part: Partial<PageView> = {}): PageView {
  const reads = (['observation', 'finding', 'alert', 'order'] as const).map((kind) => ({ kind, codes: [] }))
  return {
    alias: 'ward/chart',
    version: '1.0.0',
    address: 'cc'.repeat(32),
    title: 'Chart',
    html,
    hash: createHash('sha256').update(html).digest('hex'),
    reads,
    emits: [],
    calls: ['ward/alerts', 'ward/orders'],
    ...part,
  }
}

export interface ScreenBench {
  node: SmallNode
  api: ApiServer
  driver: ShellDriver
  /** Warnings and errors of the API, e.g. refused requests. */
  warned: string[]
  /** Ends the API and starts it again on the same port, as after a restart of the node. */
  stop: () => Promise<void>
  restart: () => Promise<void>
  close: () => Promise<void>
}

export async function openBench(
  options: Partial<SmallNodeOptions> = { isSealed: false },
  drive: Partial<DriveOptions> = {},
): Promise<ScreenBench> {
  const node = createSmallNode(options)
  node.setPage(pageOf(readFileSync(chartFile)))
  const warned: string[] = []
  const warn = (fields: object, message: string): void =>
    void warned.push(JSON.stringify({ message, ...fields }))
  const logger = { info: () => undefined, warn, error: warn }
  const start = (port: number) =>
    startApi({ port, host: '127.0.0.1', staticFolder: shellFolder }, node, logger)
  const first = await start(0)
  let api: ApiServer | undefined = first
  const driving = driveShell(first.url, { executablePath: findChromium() ?? '', ...drive })
  // Nobody else would close the API, and the test would never end.
  const driver = await driving.catch(async (error: unknown) => {
    await first.close()
    throw error
  })
  return {
    node,
    api: first,
    driver,
    warned,
    stop: async () => {
      await api?.close()
      api = undefined
    },
    restart: async () => {
      api = await start(first.port)
    },
    close: async () => {
      await driver.close().finally(() => api?.close())
    },
  }
}
