// The API over real HTTP and WebSockets, on a running node with its own store and consensus of one: sealed,
// sessions, signing, limits, headers, refusals.
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { WebSocket } from 'ws'
import { encodeCbor } from '../../runtime/protocol/cbor.js'
import { ok } from '../../runtime/protocol/result.js'
import { createApiClient } from './client.js'
import type { RunningNode } from '../node/running-node.js'
import { personPassword, storePassword } from '../node/single-node.fixture.js'
import type { ApiEvent, PageView } from './node-port.js'
import { applicationPolicy, shellPolicy } from './response-headers.js'
import { admission, bytes, lisa, setUp, signedIn } from './server.fixture.js'
import { startApi, type ApiLogger } from './server.js'
import { codeOfClose } from './subscriptions.js'

/** Raw HTTP, for headers that fetch does not let us set. */
function raw(
  port: number,
  path: string,
  headers: Record<string, string>,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, headers, setHost: false }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') }),
      )
    })
    request.on('error', reject)
    request.end()
  })
}

t.test('a sealed node says that it is sealed, and nothing else', async (t) => {
  const bench = await setUp(t, { isSealed: true })
  const status = await fetch(`${bench.api.url}/v1/status`)
  t.same(Object.keys((await status.json()) as object).sort(), [
    'environment',
    'initialised',
    'name',
    'progress',
    'role',
    'sealed',
    'version',
  ])
  const paths = [
    '/v1/people',
    '/v1/session',
    '/v1/patients',
    '/v1/alerts',
    '/v1/orders',
    '/v1/peers',
    '/v1/pages',
  ]
  for (const path of [
    ...paths,
    '/v1/health',
    '/metrics',
    `/v1/transactions/${'00'.repeat(32)}`,
    `/app/${'00'.repeat(32)}`,
  ]) {
    const response = await fetch(bench.api.url + path)
    t.equal(response.status, 423, path)
    t.match(await response.json(), { code: 'NODE_SEALED', sentence: /sealed/ })
  }
  for (const path of ['/', '/shell.js', '/shell.css'])
    t.equal((await fetch(bench.api.url + path)).status, 200, path)
})

t.test('unlocking: wrong, right, and the password is overwritten', async (t) => {
  const bench = await setUp(t, { isSealed: true })
  const client = createApiClient(bench.api.url)
  const passwordsSeen: Uint8Array[] = []
  const unlock = bench.node.unlock.bind(bench.node)
  bench.node.unlock = (password) => {
    passwordsSeen.push(password)
    return unlock(password)
  }
  t.match(await client.unlock(bytes('wrong')), { ok: false, code: 'KEYSLOT_REJECTED' })
  t.match(await client.people(), { ok: false, code: 'NODE_SEALED' })
  t.match(await client.unlock(storePassword.slice()), { ok: true })
  t.match(await client.people(), {
    ok: true,
    value: [{}, { label: 'Test nurse', roles: ['nurse'] }, {}, {}],
  })
  t.equal(passwordsSeen.length, 2)
  t.ok(passwordsSeen.every((seen) => seen.every((byte) => byte === 0)))
  const asJson = await fetch(`${bench.api.url}/v1/unlock`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ password: Buffer.from(storePassword).toString() }),
  })
  t.equal(asJson.status, 400)
  t.match(await asJson.json(), { code: 'REQUEST_MALFORMED' })
  const long = await client.unlock(new Uint8Array(2_000))
  t.match(long, { ok: false, code: 'REQUEST_MALFORMED' })
})

t.test('sign-in, session, extension, sign-out', async (t) => {
  const bench = await setUp(t)
  const client = createApiClient(bench.api.url)
  const { nurse } = bench.single.persons
  const person = { entity: nurse, label: 'Test nurse', roles: ['nurse'] }
  t.match(await client.patients(), { ok: false, code: 'SESSION_REQUIRED' })
  t.match(await client.signIn(nurse, bytes('wrong')), { ok: false, code: 'SIGN_IN_REJECTED' })
  t.match(await client.signIn('00'.repeat(32), personPassword.slice()), {
    ok: false,
    code: 'SIGN_IN_REJECTED',
  })
  t.match(await client.signIn('nobody', personPassword.slice()), { ok: false, code: 'REQUEST_MALFORMED' })
  t.match(await client.signIn(nurse, personPassword.slice()), { ok: true, value: { person } })
  const session = await client.get<object>('/v1/session')
  t.match(session, { ok: true, value: { person } })
  t.notOk(session.ok && 'token' in session.value, 'the token goes out once')
  t.match(await client.patients(), {
    ok: true,
    value: { patients: [], height: 0, stateRoot: /^[0-9a-f]{64}$/ },
  })
  t.match(await client.signOut(), { ok: true })
  t.match(await client.patients(), { ok: false, code: 'SESSION_REQUIRED' })
})

t.test('nothing secret and no patient is logged', async (t) => {
  const bench = await setUp(t)
  const { headers, token } = await signedIn(bench)
  const patient = lisa
  await fetch(`${bench.api.url}/v1/records?patient=${patient}&kind=observation`, { headers })
  await fetch(`${bench.api.url}/v1/records?patient=${patient}&kind=nonsense`, { headers })
  const log = bench.logged.join('\n')
  t.match(log, /"route":"\/v1\/records"/)
  const password = Buffer.from(personPassword).toString()
  for (const secret of [token, password, patient]) t.notOk(log.includes(secret))
})

t.test('prepare and sign', async (t) => {
  const bench = await setUp(t)
  const client = createApiClient(bench.api.url)
  await client.signIn(bench.single.persons.nurse, personPassword.slice())
  await bench.single.sign(await bench.single.signIn('nurse'), admission)
  const patient = lisa
  const record = { kind: 'finding' as const, patient, code: 'wound-assessment' }
  const body = { concepts: ['redness'], site: '', text: '' }
  const prepared = await client.prepare({ type: 'append', records: [{ ...record, body }] })
  t.match(prepared, {
    ok: true,
    value: { meaning: 'I found this', passwordNeeded: true, lane: 'clinical' },
  })
  if (!prepared.ok) return
  t.match(await client.sign(prepared.value.id, bytes('wrong')), { ok: false, code: 'SIGN_IN_REJECTED' })
  t.match(await client.sign(prepared.value.id), { ok: false, code: 'SIGN_IN_REJECTED' })
  t.match(await client.sign(prepared.value.id, personPassword.slice()), {
    ok: true,
    value: { code: 'OK', height: 2 },
  })
  t.match(await client.sign(prepared.value.id, personPassword.slice()), { ok: false, code: 'NOT_FOUND' })
  t.match(await client.records({ patient, kind: 'finding' }), {
    value: { records: [{ author: { label: 'Test nurse' }, body }] },
  })
  t.match(await client.prepare({ type: 'append', records: [{ ...record, body: { concepts: 7 } }] }), {
    ok: false,
    code: 'REQUEST_MALFORMED',
    detail: /concepts/,
  })
  t.match(await client.prepare({ type: 'append', records: [] }), { code: 'REQUEST_MALFORMED' })
  t.match(await client.prepare({ type: 'call', target: 'x', method: 'm', args: {} }), {
    code: 'REQUEST_MALFORMED',
  })
  t.match(
    await client.prepare({ type: 'call', target: 'ward/alerts', method: 'm', args: {}, more: 1 } as never),
    {
      code: 'REQUEST_MALFORMED',
    },
  )
})

t.test('a failed receipt, a late one, and their statuses', async (t) => {
  const bench = await setUp(t)
  const { headers } = await signedIn(bench)
  const sign = async (call: object): Promise<{ status: number; body: object }> => {
    const prepared = await fetch(`${bench.api.url}/v1/prepare`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'call', ...call }),
    })
    const { id } = (await prepared.json()) as { id: string }
    const response = await fetch(`${bench.api.url}/v1/sign/${id}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/octet-stream' },
      body: personPassword,
    })
    return { status: response.status, body: (await response.json()) as object }
  }
  const keyId = '00'.repeat(16)
  t.match(await sign({ target: 'ward/governance', method: 'revokeKey', args: { keyId } }), {
    status: 422,
    body: {
      code: 'CONTRACT_ABORTED',
      sentence: /refused.*no grant/,
      detail: '101',
      receipt: { height: 1 },
    },
  })
  // As when agreement takes longer than the signer is kept waiting.
  const { node } = (bench.node as unknown as { unsealed: { node: RunningNode } }).unsealed
  const submit = node.submit.bind(node)
  node.submit = (bundle) => submit(bundle, 0)
  const args = { alert: '00'.repeat(32), response: 'acknowledged', reason: '' }
  t.match(await sign({ target: 'ward/alerts', method: 'acknowledge', args }), {
    status: 202,
    body: { code: 'NOT_FINAL_IN_TIME', detail: /^[0-9a-f]{64}$/ },
  })
})

t.test('requests that are not as described are refused by name', async (t) => {
  const bench = await setUp(t)
  const { headers } = await signedIn(bench)
  const patient = lisa
  const cases: [path: string, status: number, code: string][] = [
    ['/v1/records', 400, 'REQUEST_MALFORMED'],
    [`/v1/records?patient=${patient}`, 400, 'REQUEST_MALFORMED'],
    [`/v1/records?patient=${patient.toUpperCase()}&kind=finding`, 400, 'REQUEST_MALFORMED'],
    [`/v1/records?patient=${patient}&kind=finding&limit=0`, 400, 'REQUEST_MALFORMED'],
    [`/v1/records?patient=${patient}&kind=finding&limit=501`, 400, 'REQUEST_MALFORMED'],
    [`/v1/records?patient=${patient}&kind=finding&limit=500`, 200, ''],
    [`/v1/records?patient=${patient}&kind=finding&colour=red`, 400, 'REQUEST_MALFORMED'],
    ['/v1/alerts?patient=1', 400, 'REQUEST_MALFORMED'],
    ['/v1/transactions/zz', 400, 'REQUEST_MALFORMED'],
    [`/v1/transactions/${'00'.repeat(32)}`, 404, 'TRANSACTION_UNKNOWN'],
    ['/v1/nothing', 404, 'NOT_FOUND'],
    ['/v1/page?alias=ward/none', 404, 'NOT_FOUND'],
    ['/../package.json', 404, 'NOT_FOUND'],
  ]
  for (const [path, status, code] of cases) {
    const response = await raw(bench.api.port, path, { ...headers, host: `localhost:${bench.api.port}` })
    t.equal(response.status, status, path)
    if (code !== '') t.match(JSON.parse(response.body), { code, sentence: /./ }, path)
  }
  const vendor = await signedIn(bench, 'vendor')
  const refused = await fetch(`${bench.api.url}/v1/records?patient=${patient}&kind=finding`, {
    headers: vendor.headers,
  })
  t.equal(refused.status, 403)
  t.match(await refused.json(), { code: 'READ_NOT_GRANTED', detail: /finding/ })
  const big = await fetch(`${bench.api.url}/v1/transactions`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: new Uint8Array(5 * 1_048_576),
  })
  t.equal(big.status, 413)
})

t.test('a batch: an array of bundles, nothing else', async (t) => {
  const bench = await setUp(t)
  const send = async (body: Uint8Array): Promise<{ status: number; body: object }> => {
    const response = await fetch(`${bench.api.url}/v1/transactions/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body,
    })
    return { status: response.status, body: (await response.json()) as object }
  }
  t.match(await send(encodeCbor([new Uint8Array([1]), new Uint8Array([2])])), {
    status: 200,
    body: { accepted: [], refused: [0, 1].map((position) => ({ position, code: 'BUNDLE_MALFORMED' })) },
  })
  for (const bad of [
    [],
    [1],
    new Uint8Array([1]),
    Array.from({ length: 1_001 }, () => new Uint8Array([1])),
  ]) {
    t.match(await send(encodeCbor(bad)), { status: 400, body: { code: 'REQUEST_MALFORMED' } })
  }
  t.match(await send(new Uint8Array([0xff])), { status: 400 })
  t.match(await send(new Uint8Array(4 * 1_048_576 + 1)), { status: 413 })
})

t.test('another host, another origin, a page without its token', async (t) => {
  const bench = await setUp(t)
  const host = `localhost:${bench.api.port}`
  const cases: [headers: Record<string, string>, path: string][] = [
    [{ host: 'evil.example' }, '/v1/status'],
    [{ host: 'evil.example' }, '/'],
    [{ host: `evil.example:${bench.api.port}` }, '/v1/status'],
    [{ host, origin: 'http://evil.example' }, '/v1/status'],
    [{ host, origin: 'null' }, '/v1/status'],
    [{ host, origin: `http://${host}` }, '/v1/status'],
    [{ host, 'sec-fetch-site': 'cross-site' }, '/v1/status'],
    [{ host: 'evil.example' }, '/v1/unlock-not-a-route'],
  ]
  for (const [headers, path] of cases) {
    const response = await raw(bench.api.port, path, headers)
    t.equal(response.status, 403, JSON.stringify(headers))
    t.match(JSON.parse(response.body), { code: 'ORIGIN_REFUSED' })
  }
  const metrics = await (await fetch(`${bench.api.url}/metrics`)).text()
  t.match(metrics, new RegExp(`wardchain_api_refused_total ${cases.length}`))
  t.match(metrics, /wardchain_height 0/)
  const page = await (await fetch(bench.api.url)).text()
  const token = /content="([^"]+)"/.exec(page)?.[1] ?? ''
  t.match(token, /^[A-Za-z0-9_-]{43}$/)
  const good = await raw(bench.api.port, '/v1/status', {
    host,
    origin: `http://${host}`,
    'x-wardchain-page': token,
  })
  t.equal(good.status, 200)
})

t.test('headers of the shell, of data and of application documents', async (t) => {
  const bench = await setUp(t)
  const { headers } = await signedIn(bench)
  const shell = await fetch(bench.api.url)
  t.equal(shell.headers.get('content-security-policy'), shellPolicy)
  t.match(shellPolicy, /frame-src 'self'.*require-trusted-types-for 'script'/)
  for (const name of [
    'cross-origin-opener-policy',
    'permissions-policy',
    'referrer-policy',
    'x-content-type-options',
  ]) {
    t.ok(shell.headers.get(name), name)
  }
  t.equal(shell.headers.get('access-control-allow-origin'), null)
  const data = await fetch(`${bench.api.url}/v1/patients`, { headers })
  t.equal(data.headers.get('cache-control'), 'no-store')
  const pin = { height: 0, blockTime: 0, stateRoot: '00'.repeat(32) }
  const html = bytes('<!doctype html><title>page</title>')
  const hash = createHash('sha256').update(html).digest('hex')
  t.equal((await fetch(`${bench.api.url}/app/${hash}`)).status, 404, 'nobody has asked for it yet')
  let page: PageView = {
    alias: 'ward/chart',
    version: '1',
    address: '00'.repeat(32),
    title: 'Chart',
    html,
    hash,
    reads: [],
    emits: [],
    calls: [],
  }
  // What the chain holds, right or wrong, is told by the node; the story deploys a real page.
  bench.node.page = async () => ok({ ...pin, page })
  const told = await fetch(`${bench.api.url}/v1/page?alias=ward/chart`, { headers })
  t.match(await told.json(), {
    page: { hash, htmlBase64: Buffer.from(html).toString('base64') },
    height: 0,
  })
  const document = await fetch(`${bench.api.url}/app/${hash}`)
  t.equal(document.headers.get('content-security-policy'), applicationPolicy)
  t.match(applicationPolicy, /^sandbox allow-scripts; default-src 'none'/)
  t.equal(await document.text(), Buffer.from(html).toString())
  page = { ...page, hash: '11'.repeat(32) }
  const wrong = await fetch(`${bench.api.url}/v1/page?alias=ward/chart`, { headers })
  t.equal(wrong.status, 500, 'bytes that the hash does not name are not handed out')
  t.equal((await fetch(`${bench.api.url}/app/${'11'.repeat(32)}`)).status, 404)
})

t.test('sealing through the API ends sessions, pages and subscriptions', async (t) => {
  const bench = await setUp(t)
  const client = createApiClient(bench.api.url)
  t.match(await client.seal(), { ok: false, code: 'SESSION_REQUIRED' })
  await client.signIn(bench.single.persons.nurse, personPassword.slice())
  let tellEnd: (code: string) => void = () => undefined
  const ended = new Promise<string>((resolve) => {
    tellEnd = resolve
  })
  await client.subscribe(() => undefined, tellEnd)
  t.match(await client.seal(), { ok: true })
  t.match(await ended, /SESSION_REQUIRED|NODE_SEALED/)
  t.match(await client.patients(), { ok: false, code: 'NODE_SEALED' })
})

t.test('subscriptions: events by session, none of patients without one', async (t) => {
  const bench = await setUp(t)
  const person = createApiClient(bench.api.url)
  const passerBy = createApiClient(bench.api.url)
  await person.signIn(bench.single.persons.nurse, personPassword.slice())
  const seen: ApiEvent[] = []
  const publicSeen: ApiEvent[] = []
  const arrivals = [0, 0].map(() => {
    let tell: () => void = () => undefined
    const promise = new Promise<void>((resolve) => {
      tell = resolve
    })
    return { promise, tell }
  })
  await person.subscribe((event) => {
    // Upkeep, and what is told before agreement when this machine is slow.
    if (event.type === 'status' || (event.type === 'record' && event.record.finality !== 'final')) return
    seen.push(event)
    if (event.type === 'patient') arrivals[0].tell()
  })
  await passerBy.subscribe((event) => {
    if (event.type === 'status') return
    publicSeen.push(event)
    arrivals[1].tell()
  })
  await bench.single.sign(await bench.single.signIn('nurse'), admission)
  await Promise.all(arrivals.map((arrival) => arrival.promise))
  t.match(
    seen.map((event) => event.type),
    ['block', 'record', 'patient'],
  )
  t.same([...new Set(publicSeen.map((event) => event.type))], ['block'])
})

t.test('subscriptions: refusals', async (t) => {
  const bench = await setUp(t)
  const url = `ws://localhost:${bench.api.port}/v1/subscribe`
  const closeCode = (hello: string | undefined, headers: Record<string, string> = {}): Promise<string> =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, { headers })
      socket.on('open', () => hello !== undefined && socket.send(hello))
      socket.on('error', (error) => resolve(error.message))
      socket.on('close', (code) => resolve(codeOfClose(code) ?? `${code}`))
    })
  const own = { origin: `http://localhost:${bench.api.port}` }
  t.equal(await closeCode('not JSON'), 'REQUEST_MALFORMED')
  t.equal(await closeCode('{"colour":1}'), 'REQUEST_MALFORMED')
  t.equal(await closeCode('{"token":"0123456789abcdef0123"}'), 'SESSION_REQUIRED')
  t.equal(await closeCode('{}', own), 'ORIGIN_REFUSED', 'a browser needs the page token')
  t.match(await closeCode('{}', { origin: 'http://evil.example' }), /403/)
  t.match(await closeCode('{}', { origin: 'null' }), /403/)
  t.match(await closeCode('{}', { host: 'evil.example' }), /403/)
  t.equal(await closeCode(JSON.stringify({ page: 'x'.repeat(5_000) })), '1009', 'too long')
  await bench.node.seal()
  t.match(await closeCode('{}'), /423/)
})

t.test('what startApi refuses', async (t) => {
  const bench = await setUp(t)
  const { node } = bench
  const logger: ApiLogger = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const folder = await mkdtemp(join(tmpdir(), 'wardchain-api-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const everywhere = { port: 0, host: '0.0.0.0' as '127.0.0.1', staticFolder: folder }
  await t.rejects(startApi(everywhere, node, logger), { code: 'ADDRESS_REFUSED' })
  const empty = { port: 0, host: '127.0.0.1' as const, staticFolder: folder }
  await t.rejects(startApi(empty, node, logger), { code: 'SHELL_MISSING' })
  for (const name of ['index.html', 'shell.js', 'shell.css']) await writeFile(join(folder, name), '')
  await t.rejects(startApi({ ...empty, port: bench.api.port }, node, logger), { code: 'LISTEN_FAILED' })
})
