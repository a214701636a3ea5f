// Load for the network benches: devices that sign for themselves, patients, and a network of real processes.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  bodyHash,
  bytesToHex,
  encodeBorsh,
  encodeBundle,
  encodeSignedTransaction,
  encodeTransaction,
  entityIdOf,
  entityKind,
  hexToBytes,
  keyIdOf,
  observationBody,
  priority,
  recordKind,
  transactionSigningBytes,
} from '../../runtime/protocol/index.js'
import type { ApiClient } from '../../host/api/client.js'
import type { NodeStatus, Outcome, Proposal } from '../../host/api/node-port.js'
import {
  generateSigningKey,
  randomBytes,
  sha256,
  signDetached,
  type SigningKey,
} from '../../host/keys/crypto.js'
import { must } from '../ward/connect.js'
import { deployAll, signed } from '../story/deploy.js'
import { StoryNetwork } from '../story/network.js'
import type { StoryShape } from '../story/plan.js'

export interface Reading {
  code: string
  value: bigint
  scale: number
  unit: string
}

/** A set in the normal range: rules run and stay silent. */
export const normalSet: Reading[] = [
  { code: '8310-5', value: 370n, scale: 1, unit: 'Cel' },
  { code: '8480-6', value: 122n, scale: 0, unit: 'mm[Hg]' },
  { code: '8462-4', value: 78n, scale: 0, unit: 'mm[Hg]' },
  { code: '8867-4', value: 72n, scale: 0, unit: '/min' },
  { code: '9279-1', value: 15n, scale: 0, unit: '/min' },
  { code: '59408-5', value: 98n, scale: 0, unit: '%' },
  { code: '3151-8', value: 0n, scale: 0, unit: 'L/min' },
]

/** The resuscitation team is called: the emergency lane, by the founding table of lanes. */
export const codeBlue: Reading = { code: 'code-blue', value: 1n, scale: 0, unit: '1' }

export class LoadDevice {
  readonly key: SigningKey = generateSigningKey()
  readonly entity = entityIdOf(sha256, this.key.publicKey)
  private sequence = 0
  /** Of the last bundle, hex. */
  lastTransactionId = ''
  constructor(
    private readonly chainId: Uint8Array,
    /** Services, unlike devices, say how long their word is good. */
    private readonly isService = false,
  ) {}

  /** One signed transaction with these readings of one patient. */
  bundle(patient: Uint8Array, readings: readonly Reading[], effectiveTime: number): Uint8Array {
    const bodies = readings.map(({ value, scale, unit }) => {
      const content = encodeBorsh(observationBody, {
        schema: 1,
        value,
        scale,
        unit,
        text: '',
        status: 'F',
        validation: 0,
        sourceText: '',
        device: 'load',
      })
      if (!content.ok) throw new Error(content.code)
      return { salt: randomBytes(16), content: content.value }
    })
    const payload = encodeTransaction({
      chainId: this.chainId,
      sender: this.entity,
      keyId: keyIdOf(sha256, this.key.publicKey),
      stream: 0,
      sequence: this.sequence++,
      fuelLimit: 10_000_000,
      ...(this.isService ? { validUntil: Date.now() + 3_600_000 } : {}),
      action: {
        type: 'append',
        records: readings.map(({ code }, index) => {
          return {
            kind: recordKind.observation,
            patient,
            code,
            effectiveTime,
            bodyHash: bodyHash(sha256, bodies[index]),
          }
        }),
      },
    })
    const signed = transactionSigningBytes(payload)
    this.lastTransactionId = bytesToHex(sha256(signed))
    const signature = signDetached(this.key, signed)
    return encodeBundle(encodeSignedTransaction(payload, signature), bodies, [])
  }
}

export interface LoadNetwork {
  network: StoryNetwork
  devices: LoadDevice[]
  services: LoadDevice[]
  nurse: ApiClient
  admit(): Promise<Uint8Array>
  /** A device that may observe and has what credit every source has. */
  enrolPoor(): Promise<LoadDevice>
  wound(patient: Uint8Array): Promise<void>
  close(): Promise<void>
}

/**
 * Founds and starts a network with both rules active, `deviceCount` enrolled devices, `serviceCount` services
 * (what they append travels in the bulk lane), and a signed-in nurse. Each of them stands for many bedsides
 * and is granted credit for that. `environment` is added to that of each node's process.
 */
export async function createLoadNetwork(
  deviceCount: number,
  shape: StoryShape,
  serviceCount = 0,
  environment?: Record<string, string>,
): Promise<LoadNetwork> {
  const environmentOf = environment && (() => () => environment)
  return found({ deviceCount, serviceCount, shape, hasRules: true, environmentOf })
}

/** The same without rules and services: founded sooner. `environmentOf` is asked for each node's process. */
export async function createBareNetwork(
  deviceCount: number,
  shape: StoryShape,
  environmentOf: (folder: string) => (name: string) => Record<string, string>,
): Promise<LoadNetwork> {
  return found({ deviceCount, serviceCount: 0, shape, hasRules: false, environmentOf })
}

interface LoadOptions {
  deviceCount: number
  serviceCount: number
  shape: StoryShape
  hasRules: boolean
  environmentOf?: (folder: string) => (name: string) => Record<string, string>
}

async function found(options: LoadOptions): Promise<LoadNetwork> {
  const { shape } = options
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-bench-'))
  const network = await StoryNetwork.found(path.join(folder, 'network'), () => undefined, shape)
  if (options.environmentOf) network.processes.environmentOf = options.environmentOf(network.plan.folder)
  const close = async (): Promise<void> => {
    await network.processes.endAll()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    return await furnish(network, options, close)
  } catch (error) {
    // Nobody else would end its processes, and they would keep this one.
    await close()
    throw error
  }
}

/** Starts the network and enrols who loads it. */
async function furnish(
  network: StoryNetwork,
  { deviceCount, serviceCount, shape, hasRules }: LoadOptions,
  close: LoadNetwork['close'],
): Promise<LoadNetwork> {
  await network.start(() => undefined)
  const desk = shape.followers ? 'workstation' : 'validator-1'
  if (hasRules) await deployAll(network, desk)
  const status = must((await network.api(desk).status()) as Outcome<NodeStatus>)
  const chainId = hexToBytes(status.chainId) ?? new Uint8Array(32)
  const devices = Array.from({ length: deviceCount }, () => new LoadDevice(chainId))
  const services = Array.from({ length: serviceCount }, () => new LoadDevice(chainId, true))
  const admin = await network.signIn(desk, 'admin')
  const adminPassword = network.person('admin').password
  const enrol = async (device: LoadDevice, isRich: boolean): Promise<void> => {
    const kind = services.includes(device) ? entityKind.service : entityKind.source
    const args = { kind, publicKey: bytesToHex(device.key.publicKey) }
    await signed(admin, { type: 'call', target: 'ward/governance', method: 'enrol', args }, adminPassword)
    await signed(admin, observationGrant(device), adminPassword)
    if (isRich) await signed(admin, creditGrant(device), adminPassword)
  }
  for (const device of [...devices, ...services]) await enrol(device, true)
  const nurse = await network.signIn(desk, 'nurse')
  const nursePassword = network.person('nurse').password
  return {
    network,
    devices,
    services,
    nurse,
    enrolPoor: async () => {
      const device = new LoadDevice(chainId)
      await enrol(device, false)
      return device
    },
    admit: async () => {
      const patient = randomBytes(16)
      await signed(nurse, admission(patient), nursePassword)
      return patient
    },
    wound: async (patient) => {
      const body = { concepts: ['redness', 'purulent-drainage'], site: '', text: '' }
      const records = [
        { kind: 'finding' as const, patient: bytesToHex(patient), code: 'wound-assessment', body },
      ]
      await signed(nurse, { type: 'append', records }, nursePassword)
    },
    close,
  }
}

const observationGrant = (device: LoadDevice): Proposal => ({
  type: 'call',
  target: 'ward/policy',
  method: 'grant',
  args: {
    id: bytesToHex(device.entity).slice(0, 32),
    role: '',
    entity: bytesToHex(device.entity),
    action: 1,
    kind: recordKind.observation,
    target: '',
    names: [...normalSet.map((reading) => reading.code), codeBlue.code],
    patient: null,
    validUntil: '0',
  },
})

const creditGrant = (device: LoadDevice): Proposal => ({
  type: 'call',
  target: 'ward/governance',
  method: 'grantCredit',
  args: {
    entity: bytesToHex(device.entity),
    burst: String(400_000_000_000),
    perSecond: String(4_000_000_000),
    priority: priority.standard,
  },
})

const admission = (patient: Uint8Array): Proposal => ({
  type: 'append',
  records: [
    {
      kind: 'admission',
      patient: bytesToHex(patient),
      code: 'ADT^A01',
      body: {
        family: 'LOAD',
        given: bytesToHex(patient).slice(0, 6),
        birthDate: 19700101,
        sex: 'F',
        pregnancy: 1,
        identifiers: [],
        ward: '',
        room: '',
        bed: '',
        visitNumber: '',
        reason: '',
      },
    },
  ],
})
