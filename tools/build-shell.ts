// Bundles the screens: dist/shell/ holds the shell's page, script and style as files of their own (its
// policy allows no inline code), dist/apps/ holds each page of the chain as one HTML document. Same
// sources, same bytes.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { attachmentBytesMax } from '../runtime/protocol/limits.js'

export interface BuiltShell {
  /** Bytes of the shell's script and style, and of each page's document. */
  byteCounts: Record<string, number>
}

const target = ['chrome120', 'firefox121']

/** Builds from the source tree at `root` into `out`. Throws when a page is larger than an attachment. */
export async function buildShell(root = process.cwd(), out = join(root, 'dist')): Promise<BuiltShell> {
  const shellFolder = join(out, 'shell')
  const appFolder = join(out, 'apps')
  await mkdir(shellFolder, { recursive: true })
  await mkdir(appFolder, { recursive: true })
  const script = await bundle(root, 'ui-shell/shell/main.tsx')
  const style = await bundle(root, 'ui-shell/shell/shell.css')
  const page = await readFile(join(root, 'ui-shell/shell/index.html'))
  await writeFile(join(shellFolder, 'shell.js'), script)
  await writeFile(join(shellFolder, 'shell.css'), style)
  await writeFile(join(shellFolder, 'index.html'), page)
  const chart = await buildPage(root, {
    folder: 'ui-shell/apps/chart',
    script: 'main.tsx',
    style: 'chart.css',
    mount: 'chart',
  })
  await writeFile(join(appFolder, 'ward-chart.html'), chart)
  return {
    byteCounts: { 'shell.js': script.length, 'shell.css': style.length, 'ward-chart.html': chart.length },
  }
}

interface PageSource {
  folder: string
  script: string
  style: string
  /** Id of the element that the script fills. */
  mount: string
}

async function buildPage(root: string, source: PageSource): Promise<Buffer> {
  const script = (await bundle(root, join(source.folder, source.script))).toString('utf8')
  const style = (await bundle(root, join(source.folder, source.style))).toString('utf8')
  const document = [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<title>Chart</title>',
    `<style>${style.replaceAll('</style', '<\\/style')}</style>`,
    '</head>',
    '<body>',
    `<main id="${source.mount}"></main>`,
    // Inside a script element only this sequence could end it early.
    `<script>${script.replaceAll('</script', '<\\/script')}</script>`,
    '</body>',
    '</html>',
    '',
  ]
  const bytes = Buffer.from(document.join('\n'), 'utf8')
  if (bytes.length > attachmentBytesMax) {
    throw new Error(`${source.folder}: ${bytes.length} bytes; a page may have ${attachmentBytesMax}`)
  }
  return bytes
}

/** One file, minified, without a source map or anything that names this machine. */
async function bundle(root: string, entry: string): Promise<Buffer> {
  const result = await build({
    entryPoints: [join(root, entry)],
    absWorkingDir: root,
    bundle: true,
    write: false,
    minify: true,
    format: 'iife',
    platform: 'browser',
    charset: 'utf8',
    legalComments: 'none',
    sourcemap: false,
    target,
    jsx: 'automatic',
    jsxImportSource: 'preact',
    logLevel: 'silent',
  })
  const file = result.outputFiles.at(0)
  if (file === undefined) throw new Error(`${entry}: nothing was built`)
  return Buffer.from(file.contents)
}
