// A founded hospital with the compiled system contracts and rules of contracts-as, for tests and benches.
import { bodySchemaVersion, entityKind, recordBodySchemas, recordKind } from '../protocol/index.js'
import type { Schema } from '../protocol/index.js'
import { builtContract, genesisContract, type TestContract } from './test-contracts.fixture.js'
import { borsh, sha256, signerOf, World, type NewRecord, type Signer } from './world.fixture.js'

export const systemNames = ['ward/policy', 'ward/governance', 'ward/alerts', 'ward/orders']
export const ruleNames = ['ward/deterioration', 'ward/sepsis-screen']
export const isBuilt = [...systemNames, ...ruleNames].every((name) => builtContract(name) !== undefined)
export const notBuilt = 'the contracts are not compiled here: node dist/tools/build.js makes dist/contracts'

export const codes = {
  respiration: '9279-1',
  saturation: '59408-5',
  oxygen: '3151-8',
  systolic: '8480-6',
  pulse: '8867-4',
  consciousness: '80288-4',
  temperature: '8310-5',
} as const

export interface Hospital {
  world: World
  admin: Signer
  vendor: Signer
  nurse: Signer
  doctor: Signer
  monitor: Signer
  rules: Map<string, TestContract>
}

const need = (name: string): TestContract => {
  const contract = builtContract(name)
  if (contract === undefined) throw new Error(notBuilt)
  return contract
}

/** Founds a hospital; `monitor` may append every observation of any patient. */
export function createHospital(): Hospital {
  const admin = signerOf('admin')
  const vendor = signerOf('vendor', entityKind.vendor)
  const nurse = signerOf('nurse')
  const doctor = signerOf('doctor')
  const monitor = signerOf('monitor', entityKind.source)
  const policy = need('ward/policy')
  const genesis = policy.manifest.methods.find(({ name }) => name === 'genesis')
  const roles = [
    [admin, 'admin'],
    [vendor, 'vendor'],
    [nurse, 'nurse'],
    [doctor, 'doctor'],
    [monitor, 'source'],
  ] as const
  const args = borsh(genesis?.input as Schema, {
    roles: roles.map(([signer, role]) => ({ entity: signer.entity, role })),
    grants: [grantFor(monitor, recordKind.observation), grantFor(monitor, recordKind.admission)],
  })
  const world = new World({
    signers: [admin, vendor, nurse, doctor, monitor],
    contracts: systemNames.map((name) => genesisContract(need(name))),
    calls: [{ alias: 'ward/policy', method: 'genesis', args }],
  })
  const rules = new Map(ruleNames.map((name) => [name, need(name)]))
  return { world, admin, vendor, nurse, doctor, monitor, rules }
}

export function grantFor(
  signer: Signer,
  kind: number,
  patient: Uint8Array | null = null,
): Record<string, unknown> {
  return {
    id: sha256(Buffer.concat([signer.entity, Buffer.from([kind])])).slice(0, 16),
    role: '',
    entity: signer.entity,
    action: 1,
    kind,
    target: '',
    names: [],
    patient,
    validUntil: 0n,
  }
}

/** Deployed by the vendor, approved and activated by the admin: three blocks. */
export function deployRules(hospital: Hospital): Uint8Array[] {
  const { world, vendor, admin, rules } = hospital
  const deploys = [...rules.values()].map(({ manifestBytes, code }) =>
    world.call(vendor, 'ward/governance', 'deploy', Buffer.concat([sha256(manifestBytes), sha256(code)]), {
      attachments: [manifestBytes, code],
      fuelLimit: 200_000_000,
    }),
  )
  const deployed = world.block(deploys)
  const addresses = deployed.writeSet.state
    .filter((write) => write.store === '$code')
    .map((write) => write.key.slice(1))
  world.block(addresses.map((address) => world.call(admin, 'ward/governance', 'approve', address)))
  const schema: Schema = {
    struct: [
      ['addresses', { vec: { fixed: 32 } }],
      ['at', 'u64'],
    ],
  }
  const args = borsh(schema, { addresses, at: 0n })
  world.block([world.call(admin, 'ward/governance', 'activate', args)])
  return addresses
}

export const findingOf = (patient: Uint8Array, code: string, concepts: string[]): NewRecord => ({
  kind: recordKind.finding,
  patient,
  code,
  body: borsh(recordBodySchemas.get(recordKind.finding) as Schema, {
    schema: bodySchemaVersion,
    concepts,
    site: 'abdomen',
    text: 'redness and purulent drainage',
  }),
})
