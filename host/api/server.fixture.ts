// A running API on a running node, for tests of the API: real store, real consensus of one.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { WardNode } from '../node/ward-node.js'
import { createSingleNode, personPassword, type SingleNode } from '../node/single-node.fixture.js'
import { createApiClient } from './client.js'
import type { Proposal } from './node-port.js'
import { startApi, type ApiLogger, type ApiServer } from './server.js'

export interface Bench {
  api: ApiServer
  single: SingleNode
  node: WardNode
  logged: string[]
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const lisa = 'a7'.repeat(16)

export const admission: Proposal = {
  type: 'append',
  records: [
    {
      kind: 'admission',
      patient: lisa,
      code: 'ADT^A01',
      body: {
        family: 'Jones',
        given: 'Lisa',
        birthDate: 19970314,
        sex: 'F',
        pregnancy: 1,
        identifiers: [],
        ward: '',
        room: '',
        bed: '',
        visitNumber: '',
        reason: '',
      },
    },
  ],
}

export async function setUp(
  t: { teardown(run: () => Promise<void>): void },
  options: { isSealed: boolean } = { isSealed: false },
): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'wardchain-api-'))
  await writeFile(join(folder, 'index.html'), '<meta content="__WARDCHAIN_PAGE_TOKEN__">')
  await writeFile(join(folder, 'shell.js'), 'start()')
  await writeFile(join(folder, 'shell.css'), 'html{}')
  const logged: string[] = []
  const log = (fields: object, message: string): void =>
    void logged.push(JSON.stringify({ message, ...fields }))
  const logger: ApiLogger = { info: log, warn: log, error: log }
  const single = await createSingleNode()
  t.teardown(() => single.close())
  if (options.isSealed) await single.node.seal()
  const api = await startApi({ port: 0, host: '127.0.0.1', staticFolder: folder }, single.node, logger)
  t.teardown(async () => {
    await api.close()
    await rm(folder, { recursive: true })
  })
  return { api, single, node: single.node, logged }
}

export async function signedIn(
  bench: Bench,
  role: keyof SingleNode['persons'] = 'nurse',
): Promise<{ token: string; headers: Record<string, string> }> {
  const client = createApiClient(bench.api.url)
  const session = await client.signIn(bench.single.persons[role], personPassword.slice())
  if (!session.ok) throw new Error(session.code)
  return { token: session.value.token, headers: { authorization: `Bearer ${session.value.token}` } }
}
