// Plausible vital signs, the same for every seed: each bed has one patient after the other, each patient a
// baseline, a daily rhythm, slow drift, and now and then a day of fever.
import { sha256 } from '../../host/keys/crypto.js'
import type { Reading } from './load.js'

/** A patient stays for five days; readings are taken every quarter of an hour. */
export const setIntervalMs = 900_000
export const setsPerStay = 480
export const readingsPerSet = 7

export interface VitalSet {
  patient: Uint8Array
  /** 0-based, over all beds and times. */
  stay: number
  /** The patient is new with this set. */
  isFirst: boolean
  effectiveTime: number
  readings: Reading[]
}

/** A number in 0..1 from a seed and a place: a mixing function of 32 bits, no state. */
function noise(seed: number, ...place: number[]): number {
  let hash = seed | 0
  for (const part of place) {
    hash = Math.imul(hash ^ part, 0x9e3779b1)
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0x85ebca6b)
    hash ^= hash >>> 13
  }
  return (hash >>> 0) / 2 ** 32
}

/** About normal, from the sum of four. */
const spread = (seed: number, ...place: number[]): number =>
  noise(seed, 1, ...place) +
  noise(seed, 2, ...place) +
  noise(seed, 3, ...place) +
  noise(seed, 4, ...place) -
  2

export const patientOf = (seed: number, stay: number): Uint8Array =>
  sha256(new TextEncoder().encode(`series ${seed} stay ${stay}`)).slice(0, 16)

/** The set that bed `bed` of `bedCount` gives in round `round` (0-based); times count from `startTime`. */
export function vitalSet(
  seed: number,
  place: { bed: number; bedCount: number; round: number },
  startTime: number,
): VitalSet {
  const { bed, bedCount, round } = place
  const within = round % setsPerStay
  const stay = Math.floor(round / setsPerStay) * bedCount + bed
  const hours = (round * setIntervalMs) / 3_600_000
  const rhythm = Math.sin(((hours - 4) / 24) * 2 * Math.PI)
  const drift = spread(seed, stay, 5, Math.floor(within / 24)) * 0.5
  const isFever = noise(seed, stay, 6, Math.floor(within / 96)) < 0.08
  const value = (code: number, base: number, between: number, daily: number, jitter: number): number =>
    base +
    between * spread(seed, stay, code) +
    daily * rhythm +
    jitter * (spread(seed, stay, code, within) + drift)
  const fever = isFever ? 1 : 0
  const rounded = (number: number, low: number, high: number): bigint =>
    BigInt(Math.round(Math.min(high, Math.max(low, number))))
  const pulse = value(3, 74 + 18 * fever, 9, 4, 5)
  const systolic = value(1, 124 - 8 * fever, 11, 5, 6)
  return {
    patient: patientOf(seed, stay),
    stay,
    isFirst: within === 0,
    // Monitors do not speak in the same millisecond.
    effectiveTime: startTime + round * setIntervalMs + Math.floor(noise(seed, bed, 7, round) * 60_000),
    readings: [
      {
        code: '8310-5',
        value: rounded(value(0, 368 + 16 * fever, 2, 3, 2), 340, 415),
        scale: 1,
        unit: 'Cel',
      },
      { code: '8480-6', value: rounded(systolic, 60, 230), scale: 0, unit: 'mm[Hg]' },
      {
        code: '8462-4',
        value: rounded(systolic * 0.62 + 3 * spread(seed, stay, 2, within), 35, 130),
        scale: 0,
        unit: 'mm[Hg]',
      },
      { code: '8867-4', value: rounded(pulse, 35, 190), scale: 0, unit: '/min' },
      {
        code: '9279-1',
        value: rounded(value(4, 15 + 5 * fever, 1.5, 1, 1.5), 6, 45),
        scale: 0,
        unit: '/min',
      },
      {
        code: '59408-5',
        value: rounded(value(8, 97 - 2 * fever, 1, 0.3, 0.8), 78, 100),
        scale: 0,
        unit: '%',
      },
      { code: '3151-8', value: BigInt(noise(seed, stay, 9) < 0.15 ? 2 : 0), scale: 0, unit: 'L/min' },
    ],
  }
}
