// axe on every state of shell and chart: sealed, refused, sign-in, list, chart, dialog, empty, crowded,
// offline.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import t from 'tap'
import { patientOf, personPassword, storePassword } from '../host/api/small-node.fixture.js'
import { browserSkipReason, openBench } from './bench.fixture.js'
import { addAlert, addOrders, admit, setTheScene } from './lisa.fixture.js'

const skip = browserSkipReason() ?? false
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface AxeRun {
  violations: { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }[]
}

/**
 * Runs axe in the shell and in its frame. Evaluated by the driver's protocol, so the pages' own policies
 * stay as they are.
 */
async function violationsOf(page: Page): Promise<string[]> {
  const found: string[] = []
  for (const frame of page.frames()) {
    await frame.evaluate(axeSource)
    const run = await frame.evaluate<AxeRun>('axe.run(document, { iframes: false })')
    for (const violation of run.violations) {
      for (const node of violation.nodes)
        found.push(`${violation.id}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ''}`)
    }
  }
  return found
}

/** Controls smaller than 44 px in either direction, by their words. */
async function smallTargets(page: Page): Promise<string[]> {
  const small: string[] = []
  for (const frame of page.frames()) {
    const found = await frame.evaluate(() =>
      [...document.querySelectorAll('button, summary, input:not([type=radio]), .person')]
        .filter((element) => (element as HTMLElement).offsetParent !== null)
        .map((element) => ({ box: element.getBoundingClientRect(), text: element.textContent ?? '' }))
        .filter(({ box }) => box.width < 43.5 || box.height < 43.5)
        .map(({ box, text }) => `${text} ${box.width} x ${box.height}`),
    )
    small.push(...found)
  }
  return small
}

t.test('no violation in any state', { skip }, async (t) => {
  const bench = await openBench({ isSealed: true, unlockMs: 400 })
  t.teardown(bench.close)
  const { driver, node } = bench
  const { page, frame } = driver
  const check = async (state: string): Promise<void> => {
    t.same(await violationsOf(page), [], state)
    t.same(await smallTargets(page), [], `${state}: targets`)
  }
  await page.getByTestId('unlock-page').waitFor()
  await check('sealed')
  await driver.unlock('wrong password')
  await page.getByRole('progressbar').waitFor()
  await check('unlocking')
  await page.getByTestId('problem').filter({ hasText: 'KEYSLOT' }).waitFor()
  await check('unlock refused')
  await driver.unlock(storePassword)
  await page.getByTestId('sign-in-page').waitFor()
  await check('sign-in')
  await driver.signIn('Ward nurse', personPassword)
  await check('no patients')
  setTheScene(node)
  await page.getByTestId('patient').first().waitFor()
  await driver.openPatient('JONES')
  await check('chart without alerts')
  t.equal(await page.getByTestId('quarantine').count(), 0)
  node.options.quarantined = [{ alias: 'ward/sepsis-screen', since: Date.now() - 60_000 }]
  addOrders(node, addAlert(node))
  const held = page.getByTestId('quarantine')
  await held.filter({ hasText: 'This rule is not running: ward/sepsis-screen (since' }).waitFor()
  t.match(await held.innerText(), /No new alert comes from it[\s\S]*Readings are recorded as always/)
  addAlert(node, {
    severity: 2,
    branch: 'sirs',
    finality: 'tentative',
    summary: 'Two SIRS criteria and organ dysfunction',
  })
  await frame.getByTestId('sign-order').first().waitFor()
  await check('chart with alerts and orders')
  for (const summary of await frame.locator('summary').all()) {
    const isOpen = await summary.evaluate((element) => (element.parentElement as HTMLDetailsElement).open)
    if (!isOpen) await summary.click()
  }
  await check('everything unfolded')
  await frame.getByTestId('acknowledge').first().click()
  await page.getByTestId('signing-dialog').waitFor()
  await check('signing dialog')
  await driver.completeSigning(personPassword)
  await driver.signOrder('Lactate', personPassword)
  await check('signed')
  const long = addAlert(node, { branch: 'long', summary: 'A long line of an alert. '.repeat(200) })
  await frame.locator(`[data-alert="${long}"]`).getByTestId('acknowledge').first().click()
  await page.getByTestId('signing-length').filter({ hasText: 'Read to the end' }).waitFor()
  await check('signing dialog with long text')
  await page.getByTestId('cancel').click()
  await driver.closePatient()
  for (let count = 0; count < 40; count += 1) {
    const patient = patientOf(`crowd ${count}`)
    admit(node, patient, {
      family: `Family ${count} `.repeat(count === 0 ? 40 : 1),
      given: 'Given',
      bed: `${count}`,
    })
    addAlert(node, { patient, severity: 1 + (count % 3), summary: `Alert number ${count}` })
  }
  await page.getByTestId('patient').nth(41).waitFor()
  await check('forty alerts, long names')
  await bench.stop()
  await page.getByTestId('sync').filter({ hasText: 'Offline' }).waitFor()
  await check('offline')
  await page.setViewportSize({ width: 341, height: 192 })
  await check('400 %')
})

t.test('contrast is measured: a pale text would be found', { skip }, async (t) => {
  const bench = await openBench({ isSealed: true })
  t.teardown(bench.close)
  const { page } = bench.driver
  await page.getByTestId('unlock-page').waitFor()
  await page.evaluate(() => {
    const label = document.querySelector('label')
    if (label) label.style.color = '#cccccc'
  })
  t.match((await violationsOf(page)).join(' '), /color-contrast/)
})
