// The one place where host functions touch guest memory: bounds in u32 arithmetic, then caps, then the
// price.
import { guestMemory } from './guest-instance.js'
import { stopFrame } from './guest-failure.js'
import type { Frame } from './frame.js'
import { hostCaps, type HostFunctionName } from './host-prices.js'

/** A view of guest memory; valid until the guest runs again, so what is kept must be copied. */
export function guestBytes(frame: Frame, pointer: number, length: number, cap: number): Uint8Array {
  const start = pointer >>> 0
  const byteCount = length >>> 0
  const memory = guestMemory(frame.instance)
  if (start + byteCount > memory.length) stopFrame(frame, 'MEMORY_OUT_OF_BOUNDS')
  if (byteCount > cap) stopFrame(frame, 'LIMIT_EXCEEDED')
  return memory.subarray(start, start + byteCount)
}

/** As `guestBytes`, copied: the caller's to keep. */
export function guestCopy(frame: Frame, pointer: number, length: number, cap: number): Uint8Array {
  const start = pointer >>> 0
  const byteCount = length >>> 0
  const memory = guestMemory(frame.instance)
  if (start + byteCount > memory.length) stopFrame(frame, 'MEMORY_OUT_OF_BOUNDS')
  if (byteCount > cap) stopFrame(frame, 'LIMIT_EXCEEDED')
  return memory.slice(start, start + byteCount)
}

/** Printable ASCII from the guest; anything else is an invalid argument. */
export function guestText(frame: Frame, bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    if (byte < 0x20 || byte > 0x7e) stopFrame(frame, 'ARGUMENT_INVALID')
    text += String.fromCharCode(byte)
  }
  return text
}

/**
 * Takes fuel from the running frame. Exhaustion stops the frame before the work is done, with nothing left.
 */
export function chargeFuel(frame: Frame, amount: number): void {
  const { fuel } = frame.instance
  const left = fuel.value - BigInt(amount)
  if (left < 0n) {
    fuel.value = -1n
    stopFrame(frame, 'OUT_OF_FUEL')
  }
  fuel.value = left
}

/** Base price and the bytes that the guest hands over. */
export function chargeCall(frame: Frame, name: HostFunctionName, bytesIn = 0): void {
  const price = frame.run.kernel.prices[name]
  chargeFuel(frame, price.base + price.perByteIn * bytesIn)
}

/** What a search or a read found, charged before it is copied. */
export function chargeAnswer(frame: Frame, name: HostFunctionName, bytesOut: number, items = 0): void {
  const price = frame.run.kernel.prices[name]
  chargeFuel(frame, price.perByteOut * bytesOut + price.perItem * items)
}

/** Sets the result buffer, charged by its bytes; returns its length. */
export function setResult(frame: Frame, name: HostFunctionName, bytes: Uint8Array, items = 0): number {
  if (bytes.length > hostCaps.resultBytes) stopFrame(frame, 'LIMIT_EXCEEDED')
  chargeAnswer(frame, name, bytes.length, items)
  frame.result = bytes
  return bytes.length
}

/** Stops a frame that may not write. */
export function requireWritable(frame: Frame): void {
  if (frame.readOnly) stopFrame(frame, 'READ_ONLY')
}

/** A policy question may read its own store and nothing else, or its answer could not be memoised. */
export function requireUnsealed(frame: Frame): void {
  if (frame.entry.sealed === true) stopFrame(frame, 'NOT_IN_MANIFEST')
}
