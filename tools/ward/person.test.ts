// `ward person` as people meet it: a card made at one computer, two administrators, a first sign-in, another
// password.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { createApiClient } from '../../host/api/client.js'
import { startApi } from '../../host/api/server.js'
import { createNodeLogger } from '../../host/node/node-logger.js'
import { createSingleNode } from '../../host/node/single-node.fixture.js'
import { patienceMs, ward } from './appliance.fixture.js'

t.setTimeout(patienceMs)
const password = 'second password of the test'

t.test('a person joins a running hospital and changes the password', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-person-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const logger = createNodeLogger('test', 'silent')
  const api = await startApi(
    { port: 0, host: '127.0.0.1', staticFolder: 'dist/shell' },
    single.node,
    logger,
  )
  t.teardown(() => api.close())
  const person = (args: string[], lines: string[]) => ward(['person', ...args, '--api', api.url], lines)
  const client = createApiClient(api.url)

  const card = path.join(folder, 'card.json')
  const made = await ward(
    [
      'init',
      'person',
      '--out',
      card,
      '--label',
      'Nurse of the night',
      '--role',
      'nurse',
      '--role',
      'deputy',
    ],
    ['a first password'],
  )
  t.equal(made.status, 0, made.stderr)
  const byAdmin = await person(['add', card, '--as', 'Test admin', '--yes'], [password])
  t.match(byAdmin, {
    status: 0,
    stdout: /Nurse of the night, roles nurse, deputy, key [0-9a-f]{32}\n.*noted/s,
  })
  const alone = await person(['add', card, '--as', 'Test admin', '--yes'], [password])
  t.match(alone, { status: 1, stderr: /SECOND_PERSON_REQUIRED/ })
  const nurse = await person(['add', card, '--as', 'Test nurse', '--yes'], [password])
  t.match(nurse, { status: 1, stderr: /The contract refused/ }, 'who is no administrator enrols nobody')

  const roleBy = (label: string, ...more: string[]) =>
    person(['role', 'Test doctor', 'admin', '--as', label, '--yes', ...more], [password])
  t.match(await roleBy('Test admin'), {
    status: 0,
    stdout: /^noted\. Test doctor gives the command `ward person role "Test doctor" admin` within/,
  })
  t.match(await roleBy('Test admin'), { status: 1, stderr: /waits for another administrator/ })
  t.match(await roleBy('Test doctor'), { status: 0, stdout: 'Test doctor has role admin.' })
  const none = { id: '00'.repeat(16), entity: '00'.repeat(32), patient: null, kind: 0, validUntil: 0 }
  const deputies = { ...none, role: 'deputy', action: 3, target: 'ward/appliance', names: ['orderWipe'] }
  for (const label of ['admin', 'doctor'] as const) {
    const granting = { type: 'call', target: 'ward/policy', method: 'grant', args: deputies } as const
    t.match(await single.sign(await single.signIn(label), granting), { code: 'OK' })
  }
  const byDoctor = await person(['add', card, '--as', 'Test doctor', '--yes'], [password])
  const waits =
    /enrolled.*\nrole deputy is noted\. A second administrator gives the command `ward person role/
  t.match(byDoctor, { status: 0, stdout: waits }, byDoctor.stderr)
  const deputy = ['role', 'Nurse of the night', 'deputy', '--as', 'Test admin', '--yes']
  t.match(await person(deputy, [password]), { status: 0, stdout: /has role deputy/ })
  t.match((await person(['list'], [])).stdout, /Nurse of the night {2}nurse, deputy/)

  const wrong = await person(['password', '--as', 'Nurse of'], ['not this one', 'a better password'])
  t.match(wrong, { status: 1, stderr: /SIGN_IN_REJECTED/ })
  const changed = await person(['password', '--as', 'Nurse of'], ['a first password', 'a better password'])
  t.match(changed, { status: 0, stdout: /the key is the same/ }, changed.stderr)
  const people = await client.people()
  const entity = people.ok ? people.value.find(({ label }) => label === 'Nurse of the night')?.entity : ''
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  t.match(await client.signIn(entity ?? '', bytes('a first password')), { code: 'SIGN_IN_REJECTED' })
  t.match(await client.signIn(entity ?? '', bytes('a better password')), { ok: true })
})
