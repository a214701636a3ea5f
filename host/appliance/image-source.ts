// What a release image is made of: which commit, and which of the built files belong to it. A folder that was
// built often holds outputs of sources that are gone; they are in no fresh clone, so they are in no image.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { ApplianceError } from './appliance-error.js'

export interface ImageSource {
  /** Hex of the commit; empty where there is no history. */
  commit: string
  /** The files were not as the commit says, or nobody could tell. */
  isDirty: boolean
  /**
   * Commits up to this one, what "older" is counted by; undefined where that is not the same for everyone.
   */
  commitCount: number | undefined
}

/** Throws IMAGE_DIRTY unless the folder is at its commit, or `isDirtyWelcome`. Ignored files do not count. */
export function imageSource(project: string, isDirtyWelcome: boolean): ImageSource {
  const commit = git(project, 'rev-parse', 'HEAD')
  const changes = git(project, 'status', '--porcelain', '--untracked-files=all')
  const isDirty = commit === undefined || changes !== ''
  if (isDirty && !isDirtyWelcome) {
    const what = commit === undefined ? 'there is no history here' : (changes ?? 'git does not tell')
    throw new ApplianceError('IMAGE_DIRTY', what.split('\n').slice(0, 5).join(', '))
  }
  const isShallow = git(project, 'rev-parse', '--is-shallow-repository') !== 'false'
  const count = isShallow ? undefined : git(project, 'rev-list', '--count', 'HEAD')
  return { commit: commit ?? '', isDirty, commitCount: count === undefined ? undefined : Number(count) }
}

function git(project: string, ...words: string[]): string | undefined {
  try {
    return execFileSync('git', words, { cwd: project, encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return undefined
  }
}

/** Bundles, made of many sources each: what the build writes under names of its own. */
const bundles = new Map([
  ['dist/shell/index.html', 'ui-shell/shell'],
  ['dist/shell/shell.css', 'ui-shell/shell'],
  ['dist/shell/shell.js', 'ui-shell/shell'],
  ['dist/apps/ward-chart.html', 'ui-shell/apps'],
  ['dist/apps/ward-chart.manifest.cbor', 'ui-shell/apps'],
  ['dist/verifier/wardchain-verifier.js', 'tools/verifier'],
])

/** Whether what a built file is made of is still there. `file` is relative to the project, with `/`. */
export function hasSource(project: string, file: string): boolean {
  return sourcesOf(file).some((source) => existsSync(path.join(project, source)))
}

function sourcesOf(file: string): string[] {
  const bundle = bundles.get(file)
  if (bundle !== undefined) return [bundle]
  const contract = /^dist\/contracts\/([^/.]+)\.(wasm|inputs|manifest\.json|manifest\.cbor)$/.exec(file)
  if (contract) return [`contracts-as/manifests/${contract[1]}.json`]
  const script = /^dist\/(.+)\.js$/.exec(file)
  return script ? [`${script[1]}.ts`, `${script[1]}.tsx`] : []
}
