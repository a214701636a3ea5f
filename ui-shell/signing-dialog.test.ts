// The signing dialog against a page that would like another thing signed than the person reads: text too
// long to see, another patient inside a list, words of its own for the signature.
import t from 'tap'
import type { Locator } from 'playwright-core'
import { patientOf, personPassword, type SmallNode } from '../host/api/small-node.fixture.js'
import { browserSkipReason, openBench, pageOf } from './bench.fixture.js'
import { addAlert, addOrders, setTheScene } from './lisa.fixture.js'

const skip = browserSkipReason() ?? false

/** A page that proposes one call as soon as it has its handle. */
const proposing = (call: object): Uint8Array =>
  new TextEncoder().encode(`<!doctype html><html lang="en"><title>page</title><body><p>page</p><script>
window.addEventListener('message', (event) => {
  const channel = event.ports[0]
  if (!channel) return
  channel.onmessage = ({ data }) => {
    if (data.event === 'ping') channel.postMessage({ pong: data.count })
    if (data.id !== 1) return
    const proposal = { type: 'call', ...${JSON.stringify(call)} }
    channel.postMessage({ id: 2, method: 'propose', args: { patient: data.value.patient, proposal } })
  }
  channel.postMessage({ id: 1, method: 'context', args: {} })
})
parent.postMessage({ wardchain: 'hello', version: 1 }, '*')
</script></body></html>`)

interface Opened {
  dialog: Locator
  node: SmallNode
}

/** Opens Lisa's chart with a page that proposes what `callOf` says; ends with the dialog on screen. */
async function openDialog(
  t: { teardown(run: () => Promise<void>): void },
  callOf: (node: SmallNode) => { target: string; method: string; args: object },
  viewport?: { width: number; height: number },
): Promise<Opened> {
  const { node, driver, close } = await openBench({ isSealed: false }, viewport ? { viewport } : {})
  t.teardown(close)
  setTheScene(node)
  const call = callOf(node)
  node.setPage(pageOf(proposing(call), { calls: [call.target] }))
  await driver.signIn('Ward nurse', personPassword)
  // The dialog may be there before the page's own words are: it hides them.
  await driver.page.getByTestId('patient').filter({ hasText: 'JONES' }).click()
  const dialog = driver.page.getByTestId('signing-dialog')
  await dialog.waitFor()
  return { dialog, node }
}

async function pressSign(dialog: Locator): Promise<void> {
  await dialog.page().waitForTimeout(450)
  await dialog.getByLabel(/^Password of/).fill(personPassword)
  await dialog.page().keyboard.press('Enter')
}

t.test('long text is shown to its end, and signed only after its end was seen', { skip }, async (t) => {
  const reason = `${'harmless words '.repeat(400)}and the last words`
  const { dialog, node } = await openDialog(t, (node) => ({
    target: 'ward/alerts',
    method: 'acknowledge',
    args: { alert: addAlert(node), response: 'disagree', reason },
  }))
  t.ok((await dialog.innerText()).includes(reason), 'nothing is cut')
  t.match(await dialog.getByTestId('signing-length').innerText(), /6,\d{3} characters .* Read to the end/)
  const focused = () => dialog.page().evaluate(() => document.activeElement?.getAttribute('data-testid'))
  t.equal(await focused(), 'signing-text', 'reading comes first')
  await pressSign(dialog)
  t.equal(await dialog.getByTestId('sign').isDisabled(), true)
  t.equal(node.signed.length, 0, 'Enter does not sign what was not read')
  // By keyboard: into the text, to its end.
  await dialog.getByTestId('signing-text').focus()
  await dialog.page().keyboard.press('End')
  await dialog.locator('[data-testid=sign]:enabled').waitFor()
  t.notMatch(await dialog.getByTestId('signing-length').innerText(), /Read to the end/)
  await pressSign(dialog)
  await dialog.waitFor({ state: 'detached' })
  t.equal(node.signed.length, 1)
})

t.test('at 400 % nothing counts as read before it was scrolled to', { skip }, async (t) => {
  const { dialog, node } = await openDialog(
    t,
    (node) => ({
      target: 'ward/alerts',
      method: 'acknowledge',
      args: { alert: addAlert(node), response: 'disagree', reason: 'known baseline' },
    }),
    { width: 341, height: 192 },
  )
  await dialog.page().waitForTimeout(300)
  t.equal(await dialog.getByTestId('sign').isDisabled(), true)
  await dialog.page().keyboard.press('End')
  await dialog.locator('[data-testid=sign]:enabled').waitFor()
  await pressSign(dialog)
  await dialog.waitFor({ state: 'detached' })
  t.equal(node.signed.length, 1)
})

t.test('the headline is the shell’s, the page’s words are a quoted line', { skip }, async (t) => {
  const { dialog } = await openDialog(t, (node) => ({
    target: 'ward/orders',
    method: 'sign',
    args: { order: addOrders(node, addAlert(node))[0], meaning: 'I merely looked' },
  }))
  t.equal(await dialog.getByRole('heading').innerText(), '“I order”')
  t.match(await dialog.getByTestId('signing-text').innerText(), /Meaning\s+“I merely looked”/)
  await dialog.locator('[data-testid=sign]:enabled').waitFor()
})

t.test('whom it concerns, at any depth', { skip }, async (t) => {
  const lines = (...records: string[]) => ({
    target: 'ward/round',
    method: 'sign',
    args: { lines: records.map((record) => ({ record, note: '' })) },
  })
  const cases: [string, (node: SmallNode) => ReturnType<typeof lines>, string | undefined][] = [
    ['the open one', (node) => lines(addAlert(node)), undefined],
    [
      'another, inside a list',
      (node) => lines(addAlert(node), addAlert(node, { patient: patientOf('other') })),
      'WRONG_PATIENT',
    ],
    ['a record that nobody here sees', (node) => lines(addAlert(node), 'ee'.repeat(32)), 'UNKNOWN_SUBJECT'],
    [
      'a patient who is not on the list',
      (node) => lines(addAlert(node, { patient: patientOf('absent') })),
      'UNKNOWN_SUBJECT',
    ],
  ]
  for (const [words, callOf, code] of cases) {
    const { dialog, node } = await openDialog(t, callOf)
    if (code === undefined) {
      await dialog.locator('[data-testid=sign]:enabled').waitFor()
      continue
    }
    t.equal(await dialog.getByTestId('signing-problem').getAttribute('data-code'), code, words)
    t.match(await dialog.getByTestId('signing-problem').innerText(), /Nothing was signed\. Cancel it\./)
    t.equal(await dialog.getByTestId('sign').isDisabled(), true, words)
    t.equal(await dialog.getByLabel(/^Password of/).count(), 0, 'no password is asked for')
    await dialog.getByTestId('cancel').click()
    await dialog.waitFor({ state: 'detached' })
    t.equal(node.signed.length, 0)
  }
})

t.test('a call that concerns no patient says so', { skip }, async (t) => {
  const { dialog } = await openDialog(t, () => ({
    target: 'ward/governance',
    method: 'revokeKey',
    args: { keyId: '12'.repeat(16) },
  }))
  t.equal(await dialog.getByTestId('no-patient').innerText(), 'This concerns no patient.')
  t.equal(await dialog.getByTestId('banner').count(), 0)
  t.equal(await dialog.getByRole('heading').innerText(), '“I revoke this key”')
  await dialog.locator('[data-testid=sign]:enabled').waitFor()
})
