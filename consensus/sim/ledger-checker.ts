// S11 and S12, recomputed from the bytes of final blocks: own decoding, own arithmetic, own table of lanes.
// Shares nothing with ledger.ts.

import { SimFailure } from './world.js'

/** kind → [lane, fuel]; fuel -1: the argument. Lanes: 0 emergency and system, 1 clinical, 2 bulk. */
const table: readonly (readonly [lane: number, fuel: number])[] = [
  [1, 1],
  [0, 1],
  [1, 1],
  [1, 1],
  [0, 1],
  [0, 1],
  [0, 1],
  [2, 5],
  [1, 3],
  [1, -1],
]

const accounts = 8
const startCredit = 400
const emergencyKind = 1
const trapKind = 8

/** What a replay says about one transaction: its status and what its owner has after it. */
export interface Replayed {
  readonly id: number
  readonly owner: number
  readonly answer: string
}

export interface LedgerBook {
  readonly credit: number[]
  readonly since: number[]
  minted: number
  regained: number
  spent: number
}

export const openBook = (): LedgerBook => ({
  credit: new Array<number>(accounts).fill(startCredit),
  since: new Array<number>(accounts).fill(0),
  minted: accounts * startCredit,
  regained: 0,
  spent: 0,
})

function broken(invariant: string, height: number, text: string): never {
  throw new SimFailure(invariant, `height ${height}: ${text}`)
}

/** Follows one final block; `claimed` is what the application says that the accounts hold after it. */
export function followBlock(
  book: LedgerBook,
  block: { readonly height: number; readonly time: number; readonly payload: Uint8Array },
  claimed: readonly { readonly credit: number }[],
): readonly Replayed[] {
  const { height, time, payload } = block
  const used = [0, 0, 0]
  const replayed: Replayed[] = []
  for (let at = 0; at < payload.length; at += 8) {
    const kind = payload[at]
    const id = ((payload[at + 4] * 256 + payload[at + 5]) * 256 + payload[at + 6]) * 256 + payload[at + 7]
    const [lane, fixed] = table[kind]
    const fuel = fixed < 0 ? payload[at + 1] : fixed
    used[lane] += fuel
    const owner = id % accounts
    const isPaid = pay(book, owner, { fuel, time, mayOwe: kind === emergencyKind })
    const status = isPaid ? Number(kind === trapKind) : 2
    replayed.push({ id, owner, answer: `${status}/${book.credit[owner]}` })
  }
  // S12: lower lanes never take what is kept for emergencies.
  if (used[2] > 25) broken('S12', height, `bulk used ${used[2]} of 25`)
  if (used[1] + used[2] > 80) broken('S12', height, `lower lanes used ${used[1] + used[2]} of 80`)
  if (used[0] + used[1] + used[2] > 100) broken('S12', height, 'more fuel than a block has')
  checkSums(book, height, claimed)
  return replayed
}

function pay(
  book: LedgerBook,
  owner: number,
  by: { fuel: number; time: number; mayOwe: boolean },
): boolean {
  if (book.since[owner] === 0) book.since[owner] = by.time
  while (by.time - book.since[owner] >= 25) {
    const units = Math.floor((by.time - book.since[owner]) / 25)
    const room = Math.max(0, startCredit - book.credit[owner])
    book.credit[owner] += Math.min(units, room)
    book.regained += Math.min(units, room)
    book.since[owner] += units * 25
  }
  if (book.credit[owner] - by.fuel < (by.mayOwe ? -60 : 0)) return false
  book.credit[owner] -= by.fuel
  book.spent += by.fuel
  return true
}

// S11: constant apart from minting and regaining, whole numbers, never below what may be owed.
function checkSums(book: LedgerBook, height: number, claimed: readonly { credit: number }[]): void {
  const sum = claimed.reduce((total, { credit }) => total + credit, 0)
  if (sum !== book.minted + book.regained - book.spent) {
    broken('S11', height, `accounts hold ${sum}, not ${book.minted + book.regained - book.spent}`)
  }
  claimed.forEach(({ credit }, owner) => {
    if (!Number.isSafeInteger(credit)) broken('S11', height, `account ${owner} is no whole number`)
    if (credit < -60) broken('S11', height, `account ${owner} owes ${-credit}`)
    if (credit !== book.credit[owner]) broken('S11', height, `account ${owner} holds ${credit}`)
  })
}
