// `ward image key | build | show`: release images.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { ApplianceError } from '../../host/appliance/appliance-error.js'
import { buildImage } from '../../host/appliance/image-build.js'
import { imageSource } from '../../host/appliance/image-source.js'
import { readImageHead, type ImageManifest } from '../../host/appliance/release-image.js'
import { createReleaseKey, openReleaseKey } from '../../host/appliance/release-key.js'
import { destroyKey } from '../../host/keys/crypto.js'
import { bytesToHex } from '../../runtime/protocol/index.js'
import { CommandError, exitStatus } from './command-error.js'
import { readNewPassword, readPassword } from './password.js'
import { createProgress } from './progress.js'
import { distFolder } from './system-contracts.js'

export const ownInstallation = path.resolve(distFolder, '..')
export const collect = (value: string, before: string[]): string[] => [...before, value]

export function addImageCommands(program: Command): void {
  const image = program.command('image').description('signed release images of this project')
  image
    .command('key')
    .description('make a release or institution key; its secret half lies in the file, under a password')
    .requiredOption('--out <file>', 'where to write it')
    .action(makeKey)
  image
    .command('build')
    .description('build the project and pack it: the same commit gives the same bytes, wherever it lies')
    .requiredOption('--out <file>', 'where to write the image')
    .requiredOption('--key <file>', 'a release key (repeat); its password is asked', collect, [])
    .option('--build <number>', 'build number, higher than the last release (default: commits so far)')
    .option('--project <folder>', 'folder of the project', ownInstallation)
    .option('--dirty', 'pack what is built now, whatever changed since the commit; the image says so')
    .option('--no-packages', 'leave the npm packages out; the new installation then needs `npm ci`')
    .action(build)
  image.command('show').description('what an image holds and who signed').argument('<file>').action(show)
}

async function makeKey(options: { out: string }): Promise<void> {
  if (existsSync(options.out)) {
    throw new CommandError('FILE_EXISTS', `${options.out} exists. Nothing was changed.`)
  }
  const password = await readNewPassword('Password of the release key')
  const publicKey = await createReleaseKey(options.out, password)
  password.fill(0)
  process.stdout.write(`release key ${bytesToHex(publicKey)}: written to ${options.out}\n`)
}

async function build(options: {
  out: string
  key: string[]
  build?: string
  project: string
  packages: boolean
  dirty?: boolean
}): Promise<void> {
  const source = imageSource(options.project, options.dirty === true)
  const count = source.commitCount ?? (options.build === undefined ? usage(noHistory) : 0)
  const number = wholeNumber(options.build ?? `${count}`, '--build')
  const keys = []
  for (const file of options.key) {
    const password = await readPassword(`Password of ${path.basename(file)}`)
    keys.push(await openReleaseKey(file, password))
    password.fill(0)
  }
  const progress = createProgress()
  const { project, out, packages } = options
  try {
    if (!options.dirty) compile(project)
    const onProgress = progress.show.bind(progress)
    const manifest = buildImage({ project, out, build: number, source, keys, packages, onProgress })
    progress.end()
    process.stdout.write(
      `${out}: ${manifest.name} ${manifest.version} build ${number}, ${madeFrom(manifest)}, ${manifest.files.length} files, ` +
        `${bytesToHex(readImageHead(out).id)}\n`,
    )
  } finally {
    keys.forEach(destroyKey)
  }
}

const noHistory =
  'this project has no history here, or not all of it, so nobody can count its commits: give --build'

/** What lies in `dist/` may be of another commit: built from these sources, it is of this one. */
function compile(project: string): void {
  process.stderr.write('building the project, some minutes ...\n')
  try {
    execFileSync('npm', ['run', 'build'], { cwd: project, stdio: ['ignore', 2, 2] })
  } catch (error) {
    throw new ApplianceError('IMAGE_SOURCE', 'it does not build', error)
  }
}

export function madeFrom({ commit = '', dirty }: ImageManifest): string {
  if (commit === '') return 'of an unknown commit'
  return `commit ${commit.slice(0, 12)}${dirty ? ' WITH CHANGES that are not committed' : ''}`
}

function show(file: string): void {
  const { manifest, id, signatures } = readImageHead(file)
  const byteCount = manifest.files.reduce((sum, entry) => sum + entry.byteCount, 0)
  const signers = signatures.map(({ publicKey }) => `claimed signer ${bytesToHex(publicKey)}\n`)
  process.stdout.write(
    `${manifest.name} ${manifest.version} build ${manifest.build} for ${manifest.platform}, ${madeFrom(manifest)}\n` +
      `${manifest.files.length} files, ${byteCount} bytes, ${bytesToHex(id)}\n${signers.join('')}`,
  )
}

export function wholeNumber(text: string, option: string): number {
  const value = Number(text)
  return /^\d{1,9}$/.test(text) && value > 0 ? value : usage(`${option}: a whole number above 0 expected`)
}

function usage(message: string): never {
  throw new CommandError('USAGE', message, exitStatus.usage)
}
