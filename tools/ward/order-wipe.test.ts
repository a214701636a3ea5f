// Two administrators order the wipe of a running daemon; it obeys, and its certificate goes on chain.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { patienceMs, storePassword, ward, type Ran } from './appliance.fixture.js'
import { Site, until } from './site.fixture.js'

// Some twenty commands, each a process of its own.
t.setTimeout(patienceMs)

t.test('a daemon wipes itself when two administrators order it, and not before', async (t) => {
  const site = new Site()
  t.teardown(() => site.close())
  const { home } = site
  await site.found(
    ['v1', 'ward-3'],
    [
      ['First admin', 'admin'],
      ['Second admin', 'admin'],
      ['Nurse', 'nurse'],
    ],
  )
  const v1 = await site.start('v1')
  const observer = await site.start('ward-3')
  const run = (args: string[], lines: string[] = []): Promise<Ran> =>
    ward(['network', ...args, '--api', v1.url], lines)
  const signed = (as: string, args: string[], ...lines: string[]): Promise<Ran> =>
    run([...args, '--as', as], [storePassword, ...lines])
  const wipe = (as: string, reason: string[]): Promise<Ran> =>
    signed(as, ['wipe', 'ward-3', ...reason], 'wipe ward-3')
  const list = async (): Promise<string> => (await run(['list'])).stdout
  const because = ['--reason', 'returned to the lessor']
  await until('the observer is connected', async () => / {2}connected/.test((await list()).split('\n')[1]))

  t.match(await signed('Nurse', ['wipe', 'ward-3', ...because], 'wipe ward-3'), { status: 1 }, 'no nurse')
  t.match(await signed('First', ['wipe', 'ward-3', ...because], 'yes'), { stderr: /PHRASE_WRONG/ })
  t.match(await signed('First', ['wipe', 'v1', ...because], 'wipe v1'), { stderr: /QUORUM_AT_RISK/ })
  t.match(await wipe('First', []), { status: 2, stderr: /--reason/ })
  t.notMatch(await list(), /wipe/, 'nothing of this is on the chain')

  const asked = await wipe('First', because)
  t.match(asked, { status: 0, stdout: /Asked for; acts when a second/ }, asked.stderr)
  t.match(await list(), /ward-3 .*asks for its wipe: returned to the lessor/)
  t.match(
    await wipe('First', because),
    { status: 1, stderr: /a second administrator/ },
    'not twice one person',
  )
  const back = await signed('Second', ['wipe-withdraw', 'ward-3'])
  t.match(back, { status: 0, stdout: /taken back/ }, back.stderr)
  t.notMatch(await list(), /wipe/)
  t.match(await signed('Second', ['wipe-withdraw', 'ward-3']), { status: 1, stderr: /WIPE_STATE/ })
  const anew = await wipe('Second', ['--reason', 'stolen'])
  t.match(anew, { status: 0, stdout: /Asked for/ }, 'what was withdrawn counts for nothing')
  const standing = await observer.api.status()
  t.match(standing, { ok: true, value: { sealed: false } }, 'the daemon goes on')

  const second = await wipe('First', [])
  t.match(second, { status: 0, stdout: /Ordered by two/, stderr: /Asked for by Second admin: stolen/ })
  t.equal(await observer.ended, 0, 'a supervisor does not start it again')
  t.notOk(existsSync(home('ward-3')))
  const certificate = `${home('ward-3')}.sanitisation.json`
  t.match(await ward(['certificate', certificate]), { status: 0, stdout: /ended, .*signed by ward-3/ })
  t.match(await list(), /ward-3 .*wipes itself; its certificate is not confirmed yet/)

  const text = readFileSync(certificate, 'utf8')
  const altered = `${certificate}.altered`
  writeFileSync(altered, text.replace('"place": ""', '"place": "elsewhere"'))
  const unsigned = `${certificate}.unsigned`
  writeFileSync(unsigned, JSON.stringify({ ...(JSON.parse(text) as object), signatures: [] }))
  const end = (as: string, name: string, file: string): Promise<Ran> =>
    signed(as, ['wipe-confirm', name, '--certificate', file, '--yes'])
  for (const file of [altered, unsigned])
    t.match(await end('First', 'ward-3', file), { status: 1, stderr: /CERTIFICATE_INVALID/ }, file)
  t.match(await end('First', 'v1', certificate), { status: 1, stderr: /CERTIFICATE_INVALID/ })
  t.match(await end('Nurse', 'ward-3', certificate), { status: 1 }, 'no nurse')
  const confirmed = await end('First', 'ward-3', certificate)
  t.match(confirmed, { status: 0, stdout: /is on the chain/ }, confirmed.stderr)
  const hash = createHash('sha256').update(text).digest('hex')
  t.match(await list(), new RegExp(`ward-3 .*wiped; certificate ${hash}`))
})
