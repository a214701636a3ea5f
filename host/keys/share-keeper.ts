// The key shares of other nodes that this node keeps, and the releases that are not on the chain yet: one
// sealed file, so that a release is on disk as owed before the share leaves.
import { readdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { decodeCbor, encodeCbor, type CborValue } from '../../runtime/protocol/cbor.js'
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import {
  isSetAside,
  readSealedFile,
  setAsideFile,
  StoreError,
  writeSealedFile,
  type DataKey,
} from '../store/index.js'
import type { Deal } from './key-shares.js'

/** One share of one node. */
export interface HeldShare extends Deal {
  /** Entity of the owner. */
  node: Uint8Array
}

/** A release that the chain has still to hear of. */
export interface OwedReport {
  node: Uint8Array
  generation: number
  /** ms since 1970. */
  releasedAt: number
}

/** The newest two deals of a node: it may die before it has written the keyslot of the newest. */
const generationsKept = 2
/** More nodes than any facility has validators and gateways. */
const sharesMax = 4_096
const owedMax = 1_024
/** What a cut or altered file gives; not what a disk that refuses a read or a newer version gives. */
const damageCodes: ReadonlySet<string> = new Set([
  'RECORD_ALTERED',
  'RECORD_UNKNOWN_VERSION',
  'STORE_KEY_MISMATCH',
  'FOREIGN_FILE',
])

export class ShareKeeper {
  #held: HeldShare[] = []
  #owed: OwedReport[] = []

  /**
   * Throws StoreError when the file cannot be read or is of a newer version. One that does not open is no
   * reason to keep a node shut: it is set aside, `onDamage` hears of it, and the keeper begins empty.
   */
  constructor(
    private readonly path: string,
    private readonly dataKey: DataKey,
    onDamage: (damage: { code: string; file: string }) => void = () => undefined,
  ) {
    try {
      this.#load()
    } catch (error) {
      const code = error instanceof StoreError ? error.code : undefined
      if (code === undefined || !damageCodes.has(code)) throw error
      onDamage({ code, file: setAsideFile(path) })
    }
  }

  #load(): void {
    const bytes = readSealedFile(this.path, this.dataKey)
    if (bytes === undefined) return
    const decoded = decodeCbor(bytes)
    if (!decoded.ok || !Array.isArray(decoded.value)) throw new Error('shares file: layout')
    const [held, owed] = decoded.value as [
      [Uint8Array, number, Uint8Array, Uint8Array][],
      [Uint8Array, number, number][],
    ]
    this.#held = held.map(([node, generation, visitingKey, share]) => {
      return { node, generation, visitingKey, share }
    })
    this.#owed = owed.map(([node, generation, releasedAt]) => ({ node, generation, releasedAt }))
    bytes.fill(0)
  }

  get owed(): readonly OwedReport[] {
    return this.#owed
  }

  /** Names of damaged files of this keeper that still lie beside its own. */
  get setAside(): string[] {
    const own = `${basename(this.path)}.`
    return readdirSync(dirname(this.path)).filter((name) => name.startsWith(own) && isSetAside(name))
  }

  get count(): number {
    return this.#held.length
  }

  knows(visitingKey: string): boolean {
    return this.#held.some((held) => bytesToHex(held.visitingKey) === visitingKey)
  }

  find(visitingKey: string, generation: number): HeldShare | undefined {
    return this.#held.find(
      (held) => bytesToHex(held.visitingKey) === visitingKey && held.generation === generation,
    )
  }

  /** On disk when this returns. False: a deal that is older than the newest one, or too many shares. */
  keep(share: HeldShare): boolean {
    const own = this.#held.filter((held) => same(held.node, share.node))
    const newest = Math.max(-1, ...own.map((held) => held.generation))
    if (share.generation < newest || this.#held.length >= sharesMax + own.length) return false
    const stays = own
      .filter((held) => held.generation < share.generation)
      .sort((left, right) => right.generation - left.generation)
      .slice(0, generationsKept - 1)
    const others = this.#held.filter((held) => !same(held.node, share.node))
    this.#save([...others, ...stays, share], this.#owed)
    return true
  }

  /** Forgets all shares of a node: it is to be wiped. */
  forget(node: Uint8Array): void {
    const left = this.#held.filter((held) => !same(held.node, node))
    if (left.length !== this.#held.length) this.#save(left, this.#owed)
  }

  /** Before the share leaves. False: so many are owed that no more may be given. */
  owe(report: OwedReport): boolean {
    if (this.#owed.length >= owedMax) return false
    this.#save(this.#held, [...this.#owed, report])
    return true
  }

  /** After the report is final on the chain. */
  paid(report: OwedReport): void {
    this.#save(
      this.#held,
      this.#owed.filter((owed) => owed !== report),
    )
  }

  /** Zeroes the shares in memory. */
  close(): void {
    for (const { share } of this.#held) share.fill(0)
    this.#held = []
  }

  #save(held: HeldShare[], owed: OwedReport[]): void {
    const content = encodeCbor([
      held.map(({ node, generation, visitingKey, share }): CborValue => {
        return [node, generation, visitingKey, share]
      }),
      owed.map(({ node, generation, releasedAt }): CborValue => [node, generation, releasedAt]),
    ])
    writeSealedFile(this.path, this.dataKey, content)
    content.fill(0)
    this.#held = held
    this.#owed = owed
  }
}

const same = (left: Uint8Array, right: Uint8Array): boolean => Buffer.compare(left, right) === 0
