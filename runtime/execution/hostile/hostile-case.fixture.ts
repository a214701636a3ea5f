// What one case of the hostile corpus is: who attacks, with what, and how it must end. The classes are the
// 26 rows of the runtime reference, section 10; every class has at least one case.
import type { ErrorCode } from '../../protocol/index.js'
import type { ModuleRefusalCode } from '../../module/index.js'
import { assemble } from '../../module/wat.fixture.js'
import type { Probe } from '../probe.fixture.js'

interface CaseOfClass {
  /** 1..26: the row of the table of attacks. */
  attack: number
  name: string
}

/** A module that must not be deployed: refused by reader, validator or policy, never run. */
export interface RefusedModule extends CaseOfClass {
  kind: 'module'
  bytes: () => Uint8Array
  code: ModuleRefusalCode
}

/** A contract from text with every host function imported, or from bytes. */
export type HostileContract = Probe | { code: Uint8Array; manifest?: Probe['manifest'] }

/** A deployable module whose call must end as said, at an exact price. */
export interface HostileCall extends CaseOfClass {
  kind: 'call'
  /** Contracts by alias; the first is called. */
  contracts: Record<string, HostileContract>
  code: ErrorCode
  args?: Uint8Array
  /** Default: 5,000,000, the slice that an endless case burns. */
  fuelLimit?: number
  /** What the call returns, as hex, where it must be exactly that. */
  returned?: string
  /** A caller handles a failure itself, so one fuel less may end otherwise than by OUT_OF_FUEL. */
  handles?: boolean
}

/** A version that passes the reader and must still not be deployed; its deployer pays for the trial. */
export interface RefusedDeployment extends CaseOfClass {
  kind: 'deployment'
  bytes: () => Uint8Array
  /** Encoded, instead of a manifest with a method `go`. */
  manifest?: () => Uint8Array
  code: ErrorCode
  /** Words of the receipt. */
  detail: RegExp
  /** Default: what is enough for every module. */
  fuelLimit?: number
}

/** Bytes for a parser of the host: a code, at once, whatever they are. */
export interface HostileBytes extends CaseOfClass {
  kind: 'bytes'
  /** The code that the parser answers; throws for any exception of the host. */
  parse: () => string
  code: string
}

export type HostileCase = RefusedModule | RefusedDeployment | HostileCall | HostileBytes

/** A module from text, with the memory that every contract exports. */
export const refused = (
  attack: number,
  name: string,
  code: ModuleRefusalCode,
  fields: string,
  memory = '(memory (export "memory") 1)',
): RefusedModule => ({
  kind: 'module',
  attack,
  name,
  code,
  // Imports come first in a text.
  bytes: () => assemble(`(module ${fields} ${memory})`),
})

/** A module given as bytes: what no assembler writes. */
export const refusedBytes = (
  attack: number,
  name: string,
  code: ModuleRefusalCode,
  bytes: () => Uint8Array,
): RefusedModule => ({ kind: 'module', attack, name, code, bytes })

export const many = (count: number, text: string): string => text.repeat(count)
