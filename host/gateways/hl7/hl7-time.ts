// HL7 times (DTM, and TS of older versions): read by the letter, to milliseconds. What is missing is never
// filled in: an observation needs its minute, a birth date its day.

const dtm = /^(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(?:(\d{2})(?:\.(\d{1,4}))?)?)?([+-]\d{4})?$/

/**
 * Reads a point in time: YYYYMMDDHHMM[SS[.S[S[S[S]]]]][+/-ZZZZ].
 * @param zoneDefault offset such as '-0500' or an IANA zone, for a text without its own offset.
 * @param nowMs the gateway's clock; it only decides between the two readings of an hour that the end of
 * summer time
 *   repeats, and only when one of them lies within half an hour of now.
 * @returns ms since 1970 UTC, or undefined: malformed, no such day, no minute, or an hour that cannot be
 * decided.
 */
export function parseTime(text: string, zoneDefault: string, nowMs: number): number | undefined {
  const match = dtm.exec(text)
  if (match === null || match[4] === undefined) return undefined
  const [, year, month, day, hour, minute, second = '0', fraction = '', offset] = match
  const fractionMs = Number(fraction.padEnd(3, '0').slice(0, 3))
  const localMs = calendarMs([year, month, day, hour, minute, second].map(Number), fractionMs)
  if (localMs === undefined) return undefined
  const zone = offset ?? zoneDefault
  const offsetMs = parseOffset(zone)
  if (offsetMs !== undefined) return localMs - offsetMs
  return offset === undefined && isTimeZone(zone) ? zonedMs(localMs, zone, nowMs) : undefined
}

/** The offset part of an HL7 time, '' when it has none or is no time. */
export const offsetOf = (text: string): string => dtm.exec(text)?.[8] ?? ''

/** Reads a date, of which a time may follow: yyyymmdd, or undefined when it is no date. */
export function parseDate(text: string): string | undefined {
  const match = dtm.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour = '0', minute = '0', second = '0'] = match
  const parts = [year, month, day, hour, minute, second].map(Number)
  return calendarMs(parts, 0) === undefined ? undefined : text.slice(0, 8)
}

/** Whether a text names a zone that `parseTime` can use as its default. */
export const isZone = (text: string): boolean => parseOffset(text) !== undefined || isTimeZone(text)

// UTC milliseconds of calendar parts; undefined for 30 February, hour 24, second 60.
function calendarMs(parts: readonly number[], fractionMs: number): number | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second, fractionMs)
  const same =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second
  return same && year >= 1800 ? date.getTime() : undefined
}

function parseOffset(text: string): number | undefined {
  const match = /^([+-])(\d{2})(\d{2})$/.exec(text)
  if (match === null) return undefined
  const [, sign, hours, minutes] = match
  if (Number(hours) > 14 || Number(minutes) > 59) return undefined
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}

const formatters = new Map<string, Intl.DateTimeFormat>()

function isTimeZone(zone: string): boolean {
  if (formatters.has(zone)) return true
  if (!/^[A-Za-z]/.test(zone)) return false
  try {
    formatters.set(zone, new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' }))
    return true
  } catch {
    return false
  }
}

function zoneOffsetMs(zone: string, atMs: number): number {
  const part = formatters
    .get(zone)
    ?.formatToParts(atMs)
    .find(({ type }) => type === 'timeZoneName')
  return parseOffset((part?.value ?? '').replace('GMT', '').replace(':', '')) ?? 0
}

// A wall-clock time has one reading, none (the hour that spring skips) or two (the hour that autumn
// repeats).
function zonedMs(localMs: number, zone: string, nowMs: number): number | undefined {
  const day = 86_400_000
  const offsets = new Set([zoneOffsetMs(zone, localMs - day), zoneOffsetMs(zone, localMs + day)])
  const readings = [...offsets]
    .map((offset) => localMs - offset)
    .filter((ms) => localMs - ms === zoneOffsetMs(zone, ms))
  if (readings.length < 2) return readings[0]
  const near = readings.filter((ms) => Math.abs(ms - nowMs) <= 1_800_000)
  return near.length === 1 ? near[0] : undefined
}
