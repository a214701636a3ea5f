// The built screens: the same bytes every time, within their bounds, with nothing that reaches out.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { attachmentBytesMax } from '../runtime/protocol/limits.js'
import { buildShell } from './build-shell.js'

const files = ['shell/index.html', 'shell/shell.js', 'shell/shell.css', 'apps/ward-chart.html']

t.test('two builds are one build', async (t) => {
  const folders = await Promise.all([0, 1].map(() => mkdtemp(join(tmpdir(), 'wardchain-shell-'))))
  t.teardown(async () => {
    for (const folder of folders) await rm(folder, { recursive: true })
  })
  const built = await buildShell(process.cwd(), folders[0])
  await buildShell(process.cwd(), folders[1])
  const texts = new Map<string, string>()
  for (const file of files) {
    const [first, second] = await Promise.all(folders.map((folder) => readFile(join(folder, file))))
    t.ok(first.equals(second), file)
    texts.set(file, first.toString('utf8'))
  }
  t.ok(built.byteCounts['shell.js'] <= 150_000, 'the budget of shell.md section 11')
  t.ok(built.byteCounts['ward-chart.html'] <= attachmentBytesMax)
  const page = texts.get('shell/index.html') ?? ''
  t.notMatch(page, /<script(?![^>]*src=)|<style|style=|onload=/, 'the policy allows no inline code')
  t.match(page, /__WARDCHAIN_PAGE_TOKEN__/)
  const chart = texts.get('apps/ward-chart.html') ?? ''
  t.equal(chart.match(/<script>/g)?.length, 1)
  t.notMatch(chart, /src=|href=|@import|url\(/, 'one document, no remote parts')
  for (const [file, text] of texts) t.notOk(text.includes(process.cwd()), `${file} names no machine path`)
})
