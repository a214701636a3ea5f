// The standalone verifier where it is meant to run: the built file in Node and in Chromium, over proofs
// that never change, tampered ones beside them. Both must say the same of each.
// Nothing is loaded but the one file.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import t from 'tap'
import { browserFlags, findChromium } from '../../ui-shell/drive.fixture.js'
import { buildVerifier } from '../build-verifier.js'
import { editedDocument, goldenProofs, type GoldenProofs } from './golden-proofs.fixture.js'

const vectorFile = 'tools/verifier/vectors/proofs.json'
if (process.env['WRITE_VECTORS'] === '1')
  writeFileSync(vectorFile, `${JSON.stringify(goldenProofs(), undefined, 1)}\n`)
const golden = JSON.parse(readFileSync(vectorFile, 'utf8')) as GoldenProofs
const files = golden.cases.map((one) => [editedDocument(golden, one), one.anchor ?? ''] as const)
const expected = golden.cases.map(({ name, code }) => `${name}: ${code}`)

interface Verifier {
  verifyProofFile(text: string, anchor?: Uint8Array): { ok: boolean; code?: string }
}

/** Runs in Node and in the browser's page: it may use nothing but its arguments. */
async function verdictsOf([url, asked]: [string, (readonly [string, string])[]]): Promise<string[]> {
  const verifier = (await import(url)) as Verifier
  return asked.map(([text, anchor]) => {
    const bytes = (anchor.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16))
    const verdict = verifier.verifyProofFile(text, anchor === '' ? undefined : Uint8Array.from(bytes))
    return verdict.ok ? 'OK' : (verdict.code ?? '')
  })
}

const named = (codes: readonly string[]): string[] =>
  codes.map((code, index) => `${golden.cases[index].name}: ${code}`)

const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-verifier-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const bundle = path.join(folder, 'verifier.mjs')
const { inputs, outputs } = await buildVerifier(process.cwd(), bundle)

t.test('the golden proofs are what the builders make', async (t) => {
  t.same(JSON.parse(JSON.stringify(goldenProofs())), golden)
  const codes = new Set(golden.cases.map(({ code }) => code))
  t.ok(codes.size >= 19, [...codes].join(' '))
})

t.test('the file is made of ours and @noble/hashes, and imports nothing', async (t) => {
  const foreign = Object.values(inputs).flatMap(({ imports }) =>
    imports.filter(({ original }) => original !== undefined && !original.startsWith('.')),
  )
  t.ok(foreign.length > 0)
  for (const { original, external } of foreign)
    t.match([original, external], [/^@noble\/hashes\//, undefined], original ?? '')
  t.same(
    Object.values(outputs).flatMap(({ imports }) => imports),
    [],
  )
  t.notMatch(readFileSync(bundle, 'utf8'), /\bimport\s*[("'{*]|\brequire\s*\(|\bfrom\s*["']/)
})

t.test('in Node', async (t) => {
  t.same(named(await verdictsOf([pathToFileURL(bundle).href, files])), expected)
})

const executablePath = findChromium()
const skip = executablePath === undefined ? 'no Chromium on this machine' : false

t.test('in a browser', { skip }, async (t) => {
  const browser = await chromium.launch({ executablePath, args: browserFlags, timeout: 120_000 })
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  page.setDefaultTimeout(120_000)
  const requests: string[] = []
  // No server, no network: the page gets the file from here; what else it asks for is noted and refused.
  await page.route('**', async (route) => {
    const { pathname } = new URL(route.request().url())
    requests.push(pathname)
    if (pathname === '/') return route.fulfill({ contentType: 'text/html', body: '<!doctype html>' })
    if (pathname === '/verifier.js') return route.fulfill({ contentType: 'text/javascript', path: bundle })
    return route.abort()
  })
  await page.goto('http://verifier.test/')
  const found = await page.evaluate(verdictsOf, ['/verifier.js', files] as Parameters<typeof verdictsOf>[0])
  t.same(named(found), expected)
  t.same(requests.filter((one) => one !== '/favicon.ico').sort(), ['/', '/verifier.js'])
})
