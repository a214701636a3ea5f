// Drives the shell in headless Chromium as a person would: by what is on screen. For this room's tests
// and for the end-to-end test against a real node. Every wait is for something visible, never for a time.
import { existsSync } from 'node:fs'
import { chromium, type Browser, type FrameLocator, type Locator, type Page } from 'playwright-core'

const candidates = [
  process.env.WARDCHAIN_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
]

/**
 * Path of a Chromium on this machine; undefined when there is none, and browser tests then skip with a
 * message.
 */
export function findChromium(): string | undefined {
  return candidates.find((path) => path !== undefined && path !== '' && existsSync(path))
}

/** `--no-sandbox` is for tests only: a kiosk never runs so. */
export const browserFlags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface ShellDriver {
  page: Page
  /** The page bundle inside its cage. */
  frame: FrameLocator
  unlock(password: string): Promise<void>
  /** Waits for the sign-in page, chooses the person by the label on screen, signs in. */
  signIn(label: string, password: string): Promise<void>
  signOut(): Promise<void>
  /** Opens a patient of the list by a part of the name as shown, e.g. `JONES`. */
  openPatient(name: string): Promise<void>
  closePatient(): Promise<void>
  /** Waits until the strip above everything shows an alert whose line holds this text; returns its id. */
  waitForAlert(text: string, timeoutMs?: number): Promise<string>
  /** Acknowledges an alert of the open chart (the first open one unless an id is given) and signs. */
  acknowledge(password: string, alert?: string): Promise<void>
  /** Signs the first proposed order whose card holds this text. */
  signOrder(text: string, password: string): Promise<void>
  /** Completes an open signing dialog; the password is typed only when asked for. */
  completeSigning(password: string): Promise<void>
  /** Saves what is on screen as PNG. */
  screenshot(path: string): Promise<void>
  close(): Promise<void>
}

export interface DriveOptions {
  executablePath: string
  viewport?: { width: number; height: number }
  /** Waits end after this long with an error that names what was missing. */
  timeoutMs?: number
}

/** Starts Chromium and opens the shell at `url` (as `startApi` returned it). */
export async function driveShell(url: string, options: DriveOptions): Promise<ShellDriver> {
  const { executablePath, timeoutMs = 120_000 } = options
  const browser = await chromium.launch({ executablePath, args: browserFlags, timeout: timeoutMs })
  try {
    const page = await browser.newPage({ viewport: options.viewport ?? { width: 1366, height: 768 } })
    page.setDefaultTimeout(timeoutMs)
    await page.goto(url)
    return createDriver(browser, page)
  } catch (error) {
    await browser.close()
    throw error
  }
}

export function createDriver(browser: Browser, page: Page): ShellDriver {
  const frame = page.frameLocator('iframe.application')
  const driver: ShellDriver = {
    page,
    frame,
    unlock: async (password) => {
      await page.getByLabel('Store password').fill(password)
      await page.getByRole('button', { name: 'Unlock' }).click()
    },
    signIn: async (label, password) => {
      await page.getByTestId('sign-in-page').waitFor()
      await page.getByRole('radio', { name: label }).check()
      await page.getByLabel('Your own password').fill(password)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByTestId('sync').waitFor()
    },
    signOut: async () => {
      await page.getByTestId('sign-out').click()
      await page.getByTestId('sign-in-page').waitFor()
    },
    openPatient: async (name) => {
      await page.getByTestId('patient').filter({ hasText: name }).first().click()
      await page.getByTestId('banner').filter({ hasText: name }).waitFor()
      await frame.getByRole('heading', { name: 'Latest vital signs' }).waitFor()
    },
    closePatient: async () => {
      await page.getByTestId('close-patient').click()
      await page.getByTestId('patient-list').waitFor()
    },
    waitForAlert: async (text, timeoutMs) => {
      const line = page.getByTestId('alert-line').filter({ hasText: text }).first()
      await line.waitFor(timeoutMs === undefined ? {} : { timeout: timeoutMs })
      return (await line.getAttribute('data-alert')) ?? ''
    },
    acknowledge: async (password, alert) => {
      const cards = frame.getByTestId('alert')
      const card = alert === undefined ? cards.first() : frame.locator(`[data-alert="${alert}"]`)
      await card.getByTestId('acknowledge').first().click()
      await driver.completeSigning(password)
    },
    signOrder: async (text, password) => {
      const card = frame.getByTestId('order').filter({ hasText: text }).first()
      await card.getByTestId('sign-order').click()
      await driver.completeSigning(password)
      await card.getByTestId('order-status').filter({ hasText: 'signed' }).waitFor()
    },
    completeSigning: (password) => completeSigning(page, password),
    screenshot: async (path) => {
      await page.screenshot({ path })
    },
    close: () => browser.close(),
  }
  return driver
}

/** The dialog is deaf for its first moment, so that no held key signs: this waits as a person would. */
const dialogDeafMs = 450

async function completeSigning(page: Page, password: string): Promise<void> {
  const dialog: Locator = page.getByTestId('signing-dialog')
  await dialog.waitFor()
  await page.waitForTimeout(dialogDeafMs)
  const outcome = page.getByTestId('signing-problem').filter({ hasText: /\S/ })
  if ((await outcome.count()) > 0) throw new Error(`not to be signed: ${await outcome.innerText()}`)
  // Sign is enabled once the end of the text has been on screen.
  await dialog.locator('.summary-end').scrollIntoViewIfNeeded()
  const field = dialog.getByLabel(/^Password of/)
  if ((await field.count()) > 0) await field.fill(password)
  await dialog.getByTestId('sign').click()
  // Either the dialog closes or it says why not.
  await Promise.race([dialog.waitFor({ state: 'detached' }), outcome.waitFor()])
  if ((await outcome.count()) > 0) throw new Error(`not signed: ${await outcome.innerText()}`)
}
