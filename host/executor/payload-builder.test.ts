// What a leader puts into a block when an emergency and a large system transaction wait together: real
// bundles, admitted by a real state.
import t from 'tap'
import { decodeBundle, decodePayload, entityKind, lane, type Bundle } from '../../runtime/protocol/index.js'
import { checkTransaction, signedFuelMax, standingAt } from '../../runtime/execution/index.js'
import { systemContracts } from '../../runtime/execution/test-contracts.fixture.js'
import {
  admissionOf,
  patientOf,
  ports,
  sha256,
  signerOf,
  World,
} from '../../runtime/execution/world.fixture.js'
import { buildPayload } from './payload-builder.js'

const lisa = patientOf('lisa')
const admin = signerOf('admin')
const monitors = Array.from({ length: 10 }, (_, index) => signerOf(`monitor ${index}`, entityKind.source))
const world = new World({ signers: [admin, ...monitors], contracts: systemContracts })
world.block([world.append(monitors[0], [admissionOf(lisa)])])

/** How many of each lane go into the next block. */
function counts(candidates: Uint8Array[]): number[] {
  const at = {
    chainId: world.chainId,
    height: world.height + 1,
    time: world.time + 1,
    parentTime: world.time,
  }
  const standing = standingAt(world.chain, at)
  const decode = (bytes: Uint8Array): Bundle | undefined => {
    const decoded = decodeBundle(bytes, sha256)
    return decoded.ok ? decoded.value : undefined
  }
  const built = buildPayload(
    candidates,
    decode,
    (bundle, bundleBytes) =>
      checkTransaction(world.chain, bundle, at, ports, { verifySignature: true, bundleBytes, standing }),
    standing.credits,
  )
  t.same(built.dropped, [])
  const payload = decodePayload(built.payload)
  if (!payload.ok) throw new Error(payload.code)
  return payload.value.lanes.map(({ length }) => length)
}

/** Of 250 KB each: nine are more than a quarter of a block. */
const codeBlue = (count: number): Uint8Array[] =>
  monitors
    .slice(0, count)
    .map((monitor) =>
      world.append(monitor, [{ kind: 2, patient: lisa, code: 'code-blue', body: new Uint8Array(250_000) }]),
    )

const call = (fuelLimit: number): Uint8Array =>
  world.call(admin, 'ward/policy', 'go', new Uint8Array(0), { fuelLimit })

t.test('a large system transaction waits while emergencies need its room', async (t) => {
  const large = call(signedFuelMax * 0.6)
  t.same(counts([large, ...codeBlue(2)]), [1, 2, 0, 0, 0], 'both fit')
  const many = counts([large, ...codeBlue(9)])
  t.equal(many[lane.emergency], 9, 'no emergency waits for it')
  t.equal(many[lane.system], 0)
  t.same(counts([call(signedFuelMax * 0.2), ...codeBlue(9)]), [1, 9, 0, 0, 0], 'a small one goes with them')
  t.same(counts([large]), [1, 0, 0, 0, 0], 'and the large one when they are through')
})
