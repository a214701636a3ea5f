// Manifest of the clinical page bundle, written beside it by the build.
import { readFileSync, writeFileSync } from 'node:fs'
import { encodeManifest, recordKind, type Manifest } from '../runtime/protocol/index.js'
import { distFolder } from './ward/system-contracts.js'

export const chartManifest: Manifest = {
  alias: 'ward/chart',
  version: '1.0.0',
  type: 'page',
  title: 'Chart, alerts and orders',
  purpose:
    'Shows the latest vital signs, alerts with their explanation, and proposed orders of the open patient.',
  population: 'Adults on a ward',
  reviewer: 'none yet: not for clinical use',
  evidence: [],
  compiler: `esbuild ${esbuildVersion()}`,
  migrateVersion: 0,
  reads: [
    recordKind.observation,
    recordKind.finding,
    recordKind.alert,
    recordKind.alertResponse,
    recordKind.order,
    recordKind.orderEvent,
  ].map((kind) => ({ kind, codes: [] })),
  emits: [],
  calls: ['ward/alerts', 'ward/orders'],
  subscriptions: [],
  methods: [],
}

function esbuildVersion(): string {
  const file = new URL('../../node_modules/esbuild/package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

export function writeChartManifest(): void {
  writeFileSync(`${distFolder}apps/ward-chart.manifest.cbor`, encodeManifest(chartManifest))
}
