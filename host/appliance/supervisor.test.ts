// The words reach `systemd-notify`: a stand-in in PATH writes down what it was given.
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { temporaryFolder } from './appliance.fixture.js'
import { notifyOf, Supervisor } from './supervisor.js'

t.test('ready, alive, stopping; and nothing without a supervisor', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const said = path.join(folder, 'said')
  const command = path.join(folder, 'systemd-notify')
  writeFileSync(command, `#!/bin/sh\necho "$1" >> ${said}\n`)
  chmodSync(command, 0o755)
  t.equal(notifyOf({ PATH: folder }), undefined)
  const environment = {
    PATH: `${folder}:/bin:/usr/bin`,
    NOTIFY_SOCKET: '/run/none',
    WATCHDOG_USEC: '30000',
  }
  const supervisor = new Supervisor(notifyOf(environment), environment)
  supervisor.ready()
  const lines = (): string[] => (existsSync(said) ? readFileSync(said, 'utf8').trim().split('\n') : [])
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await until(
    () => lines().includes('READY=1') && lines().filter((line) => line === 'WATCHDOG=1').length >= 3,
  )
  supervisor.stopping()
  await until(() => lines().includes('STOPPING=1'))
  t.pass()
  const absent = { PATH: '/nonexistent', NOTIFY_SOCKET: '/run/none' }
  t.doesNotThrow(() => new Supervisor(notifyOf(absent), absent).ready(), 'a machine without the command')
})
