// Client histories: what clients asked, what they were told, and whether one order of all operations
// explains it. Shares nothing with the core: it knows names, times, positions and answers only. Simulated
// runs and real networks (tools/history.ts) use the same check. The order is given by the chain, so no
// search is needed (consensus reference, section 13).

/** One line of a history file. Times are milliseconds on one clock. */
export type HistoryEvent =
  /** A client sent an operation for the first time. Sending it again is no new invocation. */
  | { readonly event: 'invoked'; readonly operation: string; readonly client: string; readonly at: number }
  /** It was told the outcome. `position` counts operations within the block, from 0; null: it was not
   * told. */
  | {
      readonly event: 'returned'
      readonly operation: string
      readonly client: string
      readonly at: number
      readonly height: number
      readonly position: number | null
      readonly answer: string
    }
  /** It read `key` at some replica and was told its value as of `height`. */
  | {
      readonly event: 'read'
      readonly client: string
      readonly at: number
      readonly key: string
      readonly height: number
      readonly answer: string
      /** A linearizable read, asked for then: it shows all that anybody was told before. */
      readonly since?: number
    }
  /** A final block, replayed by somebody who gave no answer: operations in order, and what changed. */
  | {
      readonly event: 'block'
      readonly height: number
      readonly operations: readonly { readonly operation: string; readonly answer: string }[]
      readonly values: Readonly<Record<string, string>>
    }

type Of<E extends HistoryEvent['event']> = Extract<HistoryEvent, { event: E }>

interface Place {
  readonly order: number
  readonly height: number
  readonly position: number
  readonly answer: string
}

/** Violations, most important first; none: one order explains everything. */
export function checkHistory(events: readonly HistoryEvent[]): string[] {
  const faults: string[] = []
  const places = placesOf(events, faults)
  const invoked = events.filter((event): event is Of<'invoked'> => event.event === 'invoked')
  const returned = events.filter((event): event is Of<'returned'> => event.event === 'returned')
  checkAnswers(returned, places, faults)
  checkRealTime(invoked, returned, places, faults)
  checkReads(events, faults)
  checkLinearizable(events, faults)
  return faults
}

/** Exactly once: an operation has one place in the order. */
function placesOf(events: readonly HistoryEvent[], faults: string[]): Map<string, Place> {
  const places = new Map<string, Place>()
  let order = 0
  let above = 0
  for (const event of events) {
    if (event.event !== 'block') continue
    // A recorder may leave out blocks that hold nothing of its clients.
    if (event.height <= above) faults.push(`block ${event.height} follows ${above}`)
    above = event.height
    event.operations.forEach(({ operation, answer }, position) => {
      const known = places.get(operation)
      if (known !== undefined) {
        faults.push(`${operation} is executed at ${known.height} and again at ${event.height}`)
      } else places.set(operation, { order, height: event.height, position, answer })
      order += 1
    })
  }
  return places
}

/** Every answer is what a replay of the final order gives, at the place that was told. */
function checkAnswers(
  returned: readonly Of<'returned'>[],
  places: ReadonlyMap<string, Place>,
  faults: string[],
): void {
  for (const { operation, height, position, answer } of returned) {
    const place = places.get(operation)
    if (place === undefined) faults.push(`${operation} was told final and is in no block`)
    else if (place.height !== height || (position ?? place.position) !== place.position) {
      faults.push(
        `${operation} was told at ${height}/${position}, it is at ${place.height}/${place.position}`,
      )
    } else if (place.answer !== answer) {
      faults.push(`${operation} was told ${answer}, a replay says ${place.answer}`)
    }
  }
}

/** If one returned before another was invoked, it is before it in the order. O(n log n). */
function checkRealTime(
  invoked: readonly Of<'invoked'>[],
  returned: readonly Of<'returned'>[],
  places: ReadonlyMap<string, Place>,
  faults: string[],
): void {
  const ends = [...returned].sort((left, right) => left.at - right.at)
  let next = 0
  let furthest = -1
  let furthestName = ''
  for (const { operation, at } of [...invoked].sort((left, right) => left.at - right.at)) {
    for (; next < ends.length && ends[next].at < at; next += 1) {
      const { order } = places.get(ends[next].operation) ?? { order: -1 }
      if (order <= furthest) continue
      furthest = order
      furthestName = ends[next].operation
    }
    const place = places.get(operation)
    if (place !== undefined && place.order < furthest) {
      faults.push(`${operation} was sent after ${furthestName} had returned and is ordered before it`)
    }
  }
}

/** A read is the value at its height, and no client sees the past again. */
function checkReads(events: readonly HistoryEvent[], faults: string[]): void {
  const values = new Map<string, { height: number; value: string }[]>()
  for (const event of events) {
    if (event.event !== 'block') continue
    for (const [key, value] of Object.entries(event.values)) {
      const known = values.get(key) ?? []
      values.set(key, known)
      known.push({ height: event.height, value })
    }
  }
  const seen = new Map<string, number>()
  const answers = events.filter((event) => event.event === 'read' || event.event === 'returned')
  for (const event of [...answers].sort((left, right) => left.at - right.at)) {
    const before = seen.get(event.client) ?? 0
    if (event.event === 'read') {
      if (event.height < before) {
        faults.push(`${event.client} saw height ${before} and then read at ${event.height}`)
      }
      const value = valueAt(values.get(event.key) ?? [], event.height)
      if (value !== undefined && value !== event.answer) {
        faults.push(
          `${event.client} read ${event.key} = ${event.answer} at ${event.height}, it is ${value}`,
        )
      }
    }
    seen.set(event.client, Math.max(before, event.height))
  }
}

/**
 * What was told to anybody, by an outcome or a read, before a linearizable read was asked for lies at or
 * below the height that it shows (section 13 of the reference).
 */
function checkLinearizable(events: readonly HistoryEvent[], faults: string[]): void {
  const told = events.filter((event) => event.event === 'returned' || event.event === 'read')
  const byEnd = [...told].sort((left, right) => left.at - right.at)
  const asked = told.flatMap((event) =>
    event.event === 'read' && event.since !== undefined ? [{ ...event, since: event.since }] : [],
  )
  let next = 0
  let highest = { height: 0, client: '' }
  for (const read of asked.sort((left, right) => left.since - right.since)) {
    for (; next < byEnd.length && byEnd[next].at < read.since; next += 1) {
      if (byEnd[next].height > highest.height) highest = byEnd[next]
    }
    if (read.height < highest.height) {
      const { client, since, height } = read
      faults.push(
        `${client} asked at ${since} for a linearizable read and got height ${height}, ` +
          `after ${highest.client} had been shown ${highest.height}`,
      )
    }
  }
}

function valueAt(
  changes: readonly { height: number; value: string }[],
  height: number,
): string | undefined {
  let low = 0
  let high = changes.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (changes[middle].height <= height) low = middle + 1
    else high = middle
  }
  return low === 0 ? undefined : changes[low - 1].value
}
