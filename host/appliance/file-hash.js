// SHA-256 of a file of any size.
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
/** Lower-case hex. */
export function sha256OfFile(file) {
  const hash = createHash('sha256')
  const chunk = Buffer.alloc(2 ** 20)
  const handle = openSync(file, 'r')
  try {
    for (let length = readSync(handle, chunk); length > 0; length = readSync(handle, chunk)) {
      hash.update(chunk.subarray(0, length))
    }
  } finally {
    closeSync(handle)
  }
  return hash.digest('hex')
}
//# sourceMappingURL=file-hash.js.map
