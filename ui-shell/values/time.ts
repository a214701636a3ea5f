// Ages and clock times in words. "Now" is an argument, so that every word here can be tested.

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** Beyond this a device's clock and the chain's disagree loudly enough to say so. */
export const skewMsMax = 60 * second

/**
 * `59 s ago`, `1 min ago`, `12 min ago`, `3 h ago`, `2 d ago`; a time ahead of now beyond a second is said
 * to be ahead.
 */
export function formatAge(time: number, now: number): string {
  const age = now - time
  if (age < -second) return `${formatSpan(-age)} ahead of this clock`
  if (age < 5 * second) return 'just now'
  return `${formatSpan(age)} ago`
}

/** `59 s`, `12 min`, `3 h`, `2 d`: the largest unit alone, rounded down. */
export function formatSpan(span: number): string {
  if (span < minute) return `${Math.floor(span / second)} s`
  if (span < hour) return `${Math.floor(span / minute)} min`
  if (span < 2 * day) return `${Math.floor(span / hour)} h`
  return `${Math.floor(span / day)} d`
}

/** `4 min 30 s`, for countdowns. */
export function formatLeft(ms: number): string {
  const left = Math.max(0, Math.ceil(ms / second))
  return left < 60 ? `${left} s` : `${Math.floor(left / 60)} min ${left % 60} s`
}

/** `10:32`, or `21 Nov 10:32` on another day, in the zone of this screen. */
export function formatClock(time: number, now: number): string {
  const at = new Date(time)
  const today = new Date(now)
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}`
  const isToday = at.toDateString() === today.toDateString()
  return isToday ? clock : `${at.getDate()} ${months[at.getMonth()]} ${clock}`
}

/** `2026-11-22 10:32:07 UTC+01:00`: the whole truth, on demand. */
export function formatFull(time: number): string {
  const at = new Date(time)
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
  const offset = -at.getTimezoneOffset()
  const sign = offset < 0 ? '-' : '+'
  const zone = `${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`
  return `${date} ${clock} UTC${sign}${zone}`
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (value: number): string => value.toString().padStart(2, '0')

/** yyyymmdd → `14 Mar 1997`; 0 or an impossible date → `not recorded`. */
export function formatBirthDate(birthDate: number): string {
  const [year, month, date] = dateParts(birthDate)
  if (year < 1800 || month < 1 || month > 12 || date < 1 || date > 31) return 'not recorded'
  return `${date} ${months[month - 1]} ${year}`
}

/** Whole years at `now`; undefined when the date of birth is not known. */
export function ageYears(birthDate: number, now: number): number | undefined {
  const [year, month, date] = dateParts(birthDate)
  if (year < 1800) return undefined
  const at = new Date(now)
  const before = at.getMonth() + 1 < month || (at.getMonth() + 1 === month && at.getDate() < date)
  const years = at.getFullYear() - year - (before ? 1 : 0)
  return years < 0 || years > 130 ? undefined : years
}

const dateParts = (birthDate: number): [year: number, month: number, date: number] => [
  Math.floor(birthDate / 10_000),
  Math.floor(birthDate / 100) % 100,
  birthDate % 100,
]
