// Why a rule decided as it did: entries that stay with the receipt, outside the hash, also when nothing is
// raised.
import { pointer } from './bytes'
import { Writer } from './borsh'
import { host_explain } from './env'

export namespace Explanation {
  /** A factor with its value (value × 10^-scale in unit) and the points that it scored. */
  export function factor(name: string, value: i64, scale: u8, unit: string, points: i32): void {
    write(name, value, scale, unit, points, '')
  }

  /** A factor in words: missing, refused, or the outcome. */
  export function note(name: string, text: string): void {
    write(name, 0, 0, '', 0, text)
  }

  function write(name: string, value: i64, scale: u8, unit: string, points: i32, text: string): void {
    const bytes = new Writer().text(name).i64(value).u8(scale).text(unit).i32(points).text(text).finish()
    host_explain(pointer(bytes), bytes.length)
  }
}
