// Who may talk to the API: a table of headers as browsers, programs and attackers send them.
import type { IncomingHttpHeaders } from 'node:http'
import t from 'tap'
import { bearerToken, guardRefusal, type GuardTarget } from './guard.js'

const options = { port: 8_001, pageToken: 'page-token-of-this-start' }
const own = { host: 'localhost:8001', origin: 'http://localhost:8001', 'sec-fetch-site': 'same-origin' }
const page = { 'x-wardchain-page': options.pageToken }

const cases: [
  name: string,
  target: GuardTarget,
  headers: IncomingHttpHeaders,
  refusal: string | undefined,
][] = [
  ['a local program', 'api', { host: '127.0.0.1:8001' }, undefined],
  ['the shell', 'api', { ...own, ...page }, undefined],
  [
    'the shell by address',
    'api',
    { host: '127.0.0.1:8001', origin: 'http://127.0.0.1:8001', ...page },
    undefined,
  ],
  ['no host', 'api', {}, 'host'],
  ['a rebound name', 'api', { host: 'evil.example:8001' }, 'host'],
  ['another port', 'api', { host: 'localhost:8002' }, 'host'],
  ['a name that begins like ours', 'api', { host: 'localhost:8001.evil.example' }, 'host'],
  ['a foreign origin', 'api', { host: 'localhost:8001', origin: 'http://evil.example', ...page }, 'origin'],
  ['a frame of opaque origin', 'api', { host: 'localhost:8001', origin: 'null', ...page }, 'origin'],
  [
    'our name with TLS',
    'api',
    { host: 'localhost:8001', origin: 'https://localhost:8001', ...page },
    'origin',
  ],
  ['our other name', 'api', { host: 'localhost:8001', origin: 'http://127.0.0.1:8001', ...page }, 'origin'],
  ['a browser without page token', 'api', own, 'page token'],
  ['a browser with a former page token', 'api', { ...own, 'x-wardchain-page': 'x' }, 'page token'],
  ['an image tag elsewhere', 'api', { host: 'localhost:8001', 'sec-fetch-site': 'cross-site' }, 'site'],
  [
    'another port of this computer',
    'api',
    { host: 'localhost:8001', 'sec-fetch-site': 'same-site' },
    'site',
  ],
  ['a typed API address', 'api', { host: 'localhost:8001', 'sec-fetch-site': 'none' }, 'site'],
  ['an upgrade of our page', 'api', { ...own, upgrade: 'websocket' }, undefined],
  [
    'an upgrade of another page',
    'api',
    { host: 'localhost:8001', origin: 'http://x', upgrade: 'websocket' },
    'origin',
  ],
  ['the typed address', 'document', { host: 'localhost:8001', 'sec-fetch-site': 'none' }, undefined],
  ['a rebound page', 'document', { host: 'evil.example:8001', 'sec-fetch-site': 'none' }, 'host'],
  [
    'a script elsewhere',
    'document',
    { host: 'localhost:8001', 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'script' },
    'site',
  ],
  [
    'our frame',
    'frame',
    { host: 'localhost:8001', 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'iframe' },
    undefined,
  ],
  [
    'an app in a tab',
    'frame',
    { host: 'localhost:8001', 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'document' },
    'destination',
  ],
  [
    'an app framed elsewhere',
    'frame',
    { host: 'localhost:8001', 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe' },
    'site',
  ],
]

for (const [name, target, headers, refusal] of cases) {
  t.test(`${target}: ${name}`, async (t) => t.equal(guardRefusal(headers, target, options), refusal))
}

t.test('bearer tokens', async (t) => {
  t.equal(bearerToken({ authorization: 'Bearer 0123456789abcdef' }), '0123456789abcdef')
  t.equal(bearerToken({ authorization: 'Bearer short' }), undefined)
  t.equal(bearerToken({ authorization: 'Basic 0123456789abcdef' }), undefined)
  t.equal(bearerToken({ authorization: 'Bearer 0123456789abcdef extra' }), undefined)
  t.equal(bearerToken({}), undefined)
})
