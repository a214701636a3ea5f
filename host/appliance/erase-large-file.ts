// Overwriting with a progress count, for files that take longer than a moment. `destroyStore` then only
// has to unlink what is left of them.
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { randomBytes } from '../keys/crypto.js'
import { writeAll } from '../store/durable-file.js'

const chunkBytes = 2 ** 20

/**
 * Overwrites in place with random bytes, syncs, reads everything back and truncates to nothing. Returns
 * the byte count and whether every chunk read back as written. Throws the system's own error; the file is
 * then partly overwritten.
 */
export function eraseLargeFile(
  path: string,
  onBytes: (done: number) => void,
): { byteCount: number; verified: boolean } {
  const file = openSync(path, 'r+')
  try {
    const { size } = fstatSync(file)
    // One random chunk, written again and again, is enough to compare with: it matters that the old bytes
    // are gone.
    const chunk = Buffer.from(randomBytes(chunkBytes))
    eachChunk(size, (offset, length) => {
      writeAll(file, chunk.subarray(0, length), offset)
      onBytes(Math.floor((offset + length) / 2))
    })
    fsyncSync(file)
    let verified = true
    const back = Buffer.alloc(chunkBytes)
    eachChunk(size, (offset, length) => {
      const read = readSync(file, back, 0, length, offset)
      verified &&= read === length && back.compare(chunk, 0, length, 0, length) === 0
      onBytes(Math.floor((size + offset + length) / 2))
    })
    ftruncateSync(file, 0)
    fsyncSync(file)
    return { byteCount: size, verified }
  } finally {
    closeSync(file)
  }
}

function eachChunk(size: number, work: (offset: number, length: number) => void): void {
  for (let offset = 0; offset < size; offset += chunkBytes)
    work(offset, Math.min(chunkBytes, size - offset))
}
