// Eyes on instances: what each holds when its frame is over.
import type { ModuleCache } from '../index.js'
import { hex, sha256 } from '../world.fixture.js'

/** `fresh`: no instance is used twice; `reused`: as a node does. */
export type InstanceUse = 'fresh' | 'reused'

/** A cache that tells, at the end of each frame, stack left, memory hash and mutable globals. */
export function watchInstances(
  cache: ModuleCache,
  use: InstanceUse,
  onFrame: (frame: string) => void,
): ModuleCache {
  return {
    ...cache,
    module: (...key) => {
      const module = cache.module(...key)
      return {
        ...module,
        give: (instance) => {
          const memory = hex(sha256(new Uint8Array(instance.memory.buffer)))
          const globals = instance.globals.map(({ cell }) => String(cell.value)).join(',')
          onFrame(`stack ${instance.stack.value} memory ${memory.slice(0, 16)} globals ${globals}`)
          if (use === 'reused') module.give(instance)
        },
      }
    },
  }
}
