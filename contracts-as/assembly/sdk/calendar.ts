// Dates from block time, in UTC: age in whole years and nothing else is needed.

export const MINUTE: u64 = 60000
export const HOUR: u64 = 3600000

/**
 * yyyymmdd of a time in ms since 1970. Days to civil date after Hinnant, chrono-compatible low-level
 * algorithms.
 */
export function dateOf(time: u64): u32 {
  const days = ((time / 86400000) as i64) + 719468
  const era = days / 146097
  const dayOfEra = days - era * 146097
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  const shiftedMonth = (5 * dayOfYear + 2) / 153
  const day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return (year * 10000 + month * 100 + day) as u32
}

/**
 * Whole years from a yyyymmdd birth date to a time; -1 when the date is unknown, impossible or in the
 * future.
 */
export function ageInYears(birthDate: u32, time: u64): i32 {
  const month = (birthDate / 100) % 100
  const day = birthDate % 100
  const today = dateOf(time)
  if (birthDate < 18000101 || birthDate > today || month < 1 || month > 12 || day < 1 || day > 31) return -1
  return ((today - birthDate) / 10000) as i32
}
