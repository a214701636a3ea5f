// Nodes that are no attackers and are still one of the f: a damaged or restored disk, a cloned machine,
// another version.

import { decodeSafety, SafetyWriter } from '../driver/safety-codec.js'
import { fakeHash } from './fake-crypto.js'
import { fired } from './faults.js'
import { crashNode, createNode, simChainId, startNode } from './node.js'
import { after, SimFailure, type SimNode, type World } from './world.js'

/**
 * F15: the record is found damaged at a restart; the node must stay silent until the chain has passed it
 * (R17).
 */
export function scheduleAmnesia(world: World, node: SimNode): void {
  after(world, world.random.between(1_000, Math.max(2_000, world.options.faultMs)), () => {
    if (!world.isFaulty) return
    crashNode(world, node)
    const hadSigned = node.disk.record !== null
    damageRecord(world, node)
    const { length } = node.disk.blocks
    if (world.random.chance(0.5)) truncateLog(world, node)
    const isMissed = hadSigned || node.disk.blocks.length < length
    after(world, world.random.exponential(1_000), () => {
      if (isMissed && node.core === null) fired(world.plan, 'F15')
      startNode(world, node)
    })
  })
}

/** A damaged block ends the log: it and what follows are fetched again, by certificate. */
function truncateLog({ random }: World, { disk }: SimNode): void {
  disk.blocks.length -= random.below(Math.min(disk.blocks.length, 8) + 1)
}

/**
 * Lost, cut off, or without the bodies it names: through the codec of the driver, as the driver reads it at a
 * start. Its store seals each record, so most damage shows there already (`clean: false`).
 */
function damageRecord(world: World, node: SimNode): void {
  const { disk } = node
  const { random } = world
  const writer = new SafetyWriter(simChainId, fakeHash, { record: null, bodies: [], clean: true })
  const write = disk.record === null ? null : writer.writeOf(disk.record)
  if (write !== null) {
    const whole = decodeSafety({ record: write.record, bodies: write.put, clean: true }, simChainId)
    if (whole.amnesia) throw new Error('the codec lost its own record')
    const torn = write.record.slice(0, random.below(write.record.length))
    const bodyless = write.put.slice(1)
    const isTorn = random.chance(0.5) || write.put.length === 0
    const damaged = isTorn
      ? { record: torn, bodies: write.put, clean: true }
      : { record: write.record, bodies: bodyless, clean: true }
    const found = decodeSafety(random.chance(0.3) ? { ...damaged, clean: false } : damaged, simChainId)
    if (!found.amnesia)
      throw new SimFailure('S5', `node ${node.slot}: a damaged record passed as a whole one`)
  }
  disk.record = null
  disk.isRecordLost = true
}

/** F34: another version, or the right one from a height too late: it stands aside, and the others go on. */
export function lagBehindVersions(world: World, node: SimNode): void {
  node.divergesAt = Number.MAX_SAFE_INTEGER
  if (world.random.chance(0.5)) node.appVersion = 2
  else node.missesActivationAt = world.random.between(2, 12)
}

/** F18: an old backup of the whole disk is put back; the store's token shows it (R17). */
export function scheduleRestore(world: World, node: SimNode): void {
  const { random, options } = world
  const takenAt = random.between(0, Math.max(1_000, options.faultMs / 2))
  after(world, takenAt, () => {
    const kept = node.disk.blocks.length
    after(world, random.between(500, Math.max(1_000, options.faultMs / 2)), () => {
      if (!world.isFaulty) return
      fired(world.plan, 'F18')
      crashNode(world, node)
      node.disk.blocks.length = Math.min(kept, node.disk.blocks.length)
      damageRecord(world, node)
      after(world, random.exponential(500), () => startNode(world, node))
    })
  })
}

/** F18: a running machine is copied. Two nodes sign with one key from then on: Byzantine by accident. */
export function scheduleClone(world: World, node: SimNode): void {
  node.isCorrect = false
  after(world, world.random.between(300, Math.max(1_000, world.options.faultMs / 2)), () => {
    if (!world.isFaulty) return
    fired(world.plan, 'F18')
    const copy = createNode(world, world.nodes.length, node.index)
    copy.isCorrect = false
    copy.disk.record = node.disk.record
    copy.disk.blocks.push(...node.disk.blocks)
    world.nodes.push(copy)
    startNode(world, copy)
  })
}
