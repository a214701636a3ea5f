// A release image: one file that holds the project, its manifest and the signatures of release keys.
//
//   magic "WARDIMAG" | version u8 = 1 | manifest byte count u32 BE | manifest (canonical JSON, UTF-8)
//   | signature count u8 | (Ed25519 public key 32 | signature 64)* | contents of the files, in the
//   manifest's order, nothing between or after them
//
// A signature is over "wardchain/image/1" ‖ SHA-256(manifest). The manifest holds every file's SHA-256, so
// the signatures vouch for every byte. No times, owners or chance: equal inputs give equal bytes.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { bytesToHex, concatBytes, utf8 } from '../../runtime/protocol/index.js'
import { sha256, signDetached, verifySignature, type SigningKey } from '../keys/crypto.js'
import { ApplianceError } from './appliance-error.js'
import { canonicalJson, type Json } from './canonical-json.js'

export const imageFormat = 'wardchain/image/1'
const magic = utf8('WARDIMAG')
const headBytes = magic.length + 1 + 4
const manifestBytesMax = 64 * 2 ** 20
const signatureBytes = 32 + 64
export const signaturesMax = 16

export interface ImageFile {
  /** Relative, `/` between parts. Ascending by code unit in the manifest. */
  path: string
  byteCount: number
  sha256: string
  executable: boolean
}

export interface ImageManifest {
  format: typeof imageFormat
  name: string
  version: string
  /** Grows with every release: what "older" means. */
  build: number
  /** Hex of the commit that it was made from; empty or absent: nobody knows. */
  commit?: string
  /** Made from files that are not as the commit says. */
  dirty?: boolean
  /** `linux-x64` and the like when native packages are inside; `any` otherwise. */
  platform: string
  files: ImageFile[]
}

export interface ImageSignature {
  publicKey: Uint8Array
  signature: Uint8Array
}

export interface ImageHead {
  manifest: ImageManifest
  /** SHA-256 of the manifest: names this release. */
  id: Uint8Array
  signatures: ImageSignature[]
  /** Offset of the first file's content. */
  contentAt: number
}

const signedBytes = (id: Uint8Array): Uint8Array => concatBytes(utf8(imageFormat), id)

/** Everything before the contents. */
export function encodeImageHead(manifest: ImageManifest, keys: readonly SigningKey[]): Uint8Array {
  const text = utf8(canonicalJson(manifest as unknown as Json))
  const count = new Uint8Array(4)
  new DataView(count.buffer).setUint32(0, text.length)
  const signed = signedBytes(sha256(text))
  const signatures = keys.map((key) => concatBytes(key.publicKey, signDetached(key, signed)))
  const tail = concatBytes(new Uint8Array([signatures.length]), ...signatures)
  return concatBytes(magic, new Uint8Array([1]), count, text, tail)
}

/**
 * Reads and checks everything before the contents, and that the contents have the right length. Throws
 * IMAGE_MALFORMED. Whose signatures they are is `assertTrusted`'s question.
 */
export function readImageHead(file: string): ImageHead {
  const handle = openSync(file, 'r')
  try {
    const head = part(handle, 0, headBytes)
    if (magic.some((byte, index) => head[index] !== byte)) throw malformed('it is not a release image')
    if (head[magic.length] !== 1) throw malformed('its format is newer than this version knows')
    const manifestBytes = head.readUInt32BE(magic.length + 1)
    if (manifestBytes > manifestBytesMax) throw malformed('its manifest is too long')
    const text = part(handle, headBytes, manifestBytes)
    const signaturesAt = headBytes + manifestBytes
    const count = part(handle, signaturesAt, 1)[0]
    if (count > signaturesMax) throw malformed('it has too many signatures')
    const contentAt = signaturesAt + 1 + count * signatureBytes
    const packed = part(handle, signaturesAt + 1, count * signatureBytes)
    const signatures = Array.from({ length: count }, (_, index) => {
      const at = index * signatureBytes
      return {
        publicKey: new Uint8Array(packed.subarray(at, at + 32)),
        signature: new Uint8Array(packed.subarray(at + 32, at + signatureBytes)),
      }
    })
    const manifest = decodeManifest(text)
    const contentBytes = manifest.files.reduce((sum, { byteCount }) => sum + byteCount, 0)
    if (fstatSync(handle).size !== contentAt + contentBytes) throw malformed('its length is wrong')
    return { manifest, id: sha256(text), signatures, contentAt }
  } finally {
    closeSync(handle)
  }
}

/** Throws IMAGE_UNTRUSTED unless `threshold` different trusted keys signed this manifest. */
export function assertTrusted(head: ImageHead, keys: readonly Uint8Array[], threshold: number): void {
  const trusted = new Set(keys.map(bytesToHex))
  const good = new Set<string>()
  for (const { publicKey, signature } of head.signatures) {
    const key = bytesToHex(publicKey)
    if (trusted.has(key) && verifySignature(publicKey, signedBytes(head.id), signature)) good.add(key)
  }
  if (threshold < 1 || good.size < threshold) {
    throw new ApplianceError(
      'IMAGE_UNTRUSTED',
      `${good.size} of ${Math.max(1, threshold)} needed signatures`,
    )
  }
}

function decodeManifest(text: Buffer): ImageManifest {
  let manifest: ImageManifest
  try {
    manifest = JSON.parse(text.toString('utf8')) as ImageManifest
    if (canonicalJson(manifest as unknown as Json) !== text.toString('utf8')) throw new Error('spelling')
    if (manifest.format !== imageFormat || !Number.isSafeInteger(manifest.build)) throw new Error('format')
    if (!/^\d+\.\d+\.\d+$/.test(manifest.version)) throw new Error('version')
  } catch (error) {
    throw new ApplianceError('IMAGE_MALFORMED', 'its manifest cannot be read', error)
  }
  let before = ''
  for (const { path, byteCount, sha256: hash } of manifest.files) {
    if (!isSafePath(path) || path <= before) throw malformed(`its manifest names ${JSON.stringify(path)}`)
    if (!Number.isSafeInteger(byteCount) || byteCount < 0 || !/^[0-9a-f]{64}$/.test(hash)) {
      throw malformed(`its manifest is wrong about ${path}`)
    }
    before = path
  }
  return manifest
}

/** Nothing may be written outside the new folder, whoever signed. */
function isSafePath(path: string): boolean {
  const parts = path.split('/')
  return parts.every((name) => name !== '' && name !== '.' && name !== '..' && !/[\\\0]/.test(name))
}

function part(handle: number, at: number, byteCount: number): Buffer {
  const bytes = Buffer.alloc(byteCount)
  if (readSync(handle, bytes, 0, byteCount, at) !== byteCount) throw malformed('it ends too early')
  return bytes
}

const malformed = (detail: string): ApplianceError => new ApplianceError('IMAGE_MALFORMED', detail)
