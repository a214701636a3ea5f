// Things that will happen, in order of time and then of arrival: a binary heap.

export interface Scheduled {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export interface EventQueue {
  readonly items: Scheduled[]
  order: number
}

export const createQueue = (): EventQueue => ({ items: [], order: 0 })

const isBefore = (left: Scheduled, right: Scheduled) =>
  left.at < right.at || (left.at === right.at && left.order < right.order)

export function push(queue: EventQueue, at: number, run: () => void): void {
  const { items } = queue
  queue.order += 1
  items.push({ at, order: queue.order, run })
  let child = items.length - 1
  while (child > 0) {
    const parent = (child - 1) >> 1
    if (!isBefore(items[child], items[parent])) break
    ;[items[child], items[parent]] = [items[parent], items[child]]
    child = parent
  }
}

export function pop(queue: EventQueue): Scheduled | undefined {
  const { items } = queue
  const first = items[0]
  const last = items.pop()
  if (last === undefined || items.length === 0) return first
  items[0] = last
  let parent = 0
  for (;;) {
    let smallest = parent
    for (const child of [parent * 2 + 1, parent * 2 + 2]) {
      if (child < items.length && isBefore(items[child], items[smallest])) smallest = child
    }
    if (smallest === parent) return first
    ;[items[smallest], items[parent]] = [items[parent], items[smallest]]
    parent = smallest
  }
}
