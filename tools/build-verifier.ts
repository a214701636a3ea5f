// Bundles the standalone verifier into one file without any import left in it: for browsers and for Node.
import { join } from 'node:path'
import { build, type Metafile } from 'esbuild'

/** Builds `dist/verifier/wardchain-verifier.js`; the metafile says what went in. */
export async function buildVerifier(
  root = process.cwd(),
  out = join(root, 'dist/verifier/wardchain-verifier.js'),
): Promise<Metafile> {
  const { metafile } = await build({
    entryPoints: [join(root, 'tools/verifier/index.ts')],
    absWorkingDir: root,
    outfile: out,
    bundle: true,
    format: 'esm',
    // Neither Node's modules nor a browser's extras: what is not in the language is not there.
    platform: 'neutral',
    target: ['es2022'],
    metafile: true,
    legalComments: 'inline',
    logLevel: 'error',
  })
  return metafile
}
