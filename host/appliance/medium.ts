// Which medium a folder lies on, for the certificate of sanitisation. Linux says it under /sys; what
// nobody says is "unknown".
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'

export interface Medium {
  make: string
  model: string
  serial: string
  /**
   * `solid state` or `rotating` where all disks below are so and tell their model; `virtual` where what lies
   * below one of them does not show; else `unknown`.
   */
  type: string
  /** Bytes, of the whole disk or of the mapped device; 0 when unknown. */
  capacityBytes: number
  /** Name of the block device, e.g. `nvme0n1p2`; `unknown` for overlays and network file systems. */
  device: string
}

const unknown = 'unknown'

/** Never throws: a wipe must not fail because a disk does not tell its name. */
export function describeMedium(folder: string): Medium {
  const none: Medium = {
    make: unknown,
    model: unknown,
    serial: unknown,
    type: unknown,
    capacityBytes: 0,
    device: unknown,
  }
  try {
    // Linux: device number = minor bits 0..7 and 20..31, major bits 8..19.
    const { dev } = statSync(folder)
    const [major, minor] = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)]
    const medium = mediumOf(realpathSync(`/sys/dev/block/${major}:${minor}`))
    return isVirtualMachine() ? { ...medium, type: 'virtual' } : medium
  } catch {
    return none
  }
}

/** `block` is a block device's real folder under /sys. Exported for its tests. */
export function mediumOf(block: string): Medium {
  const disks = lowestDisks(block, depthMax)
  const types = new Set(disks.map(typeOf))
  const [first = unknown] = types
  return {
    make: wordsOf(disks, 'device/vendor'),
    model: wordsOf(disks, 'device/model'),
    serial: wordsOf(disks, 'device/serial'),
    type: types.has('virtual') ? 'virtual' : types.size === 1 ? first : unknown,
    capacityBytes: 512 * Number(read(`${wholeDisk(block)}/size`) ?? 0),
    device: path.basename(block),
  }
}

/** LVM over encryption over RAID over partitions is 4 deep; what lies deeper stays unknown. */
const depthMax = 8

/** Of a mapped device (LVM, encryption, RAID, cache) the disks that carry it. */
function lowestDisks(block: string, depth: number): string[] {
  const disk = wholeDisk(block)
  const below = attempt(() => readdirSync(`${disk}/slaves`)) ?? []
  if (below.length === 0 || depth === 0) return [disk]
  const disks = below.flatMap((name) => lowestDisks(realpathSync(`${disk}/slaves/${name}`), depth - 1))
  return [...new Set(disks)].sort()
}

function wordsOf(disks: string[], file: string): string {
  return [...new Set(disks.map((disk) => read(`${disk}/${file}`) || unknown))].join('; ')
}

/** A disk that does not tell its model may be anything: a cloud's volume, for instance. */
function typeOf(disk: string): string {
  const model = read(`${disk}/device/model`) ?? ''
  if (isVirtual(path.basename(disk), read(`${disk}/device/vendor`), model)) return 'virtual'
  const rotational = read(`${disk}/queue/rotational`)
  if (model === '') return unknown
  return rotational === '0' ? 'solid state' : rotational === '1' ? 'rotating' : unknown
}

/** Clouds, hypervisors, and disks over a network, by what their disks say of themselves. */
const virtualNames = new RegExp(
  [
    /^(0x1af4|QEMU|VMware|Msft|Microsoft|VBOX|ORCL-VBOX|Google|Xen|Amazon|Alibaba|ORACLE|DO$|HC$|LIO-ORG|IET)/,
    /^(nvme_card|PersistentDisk|EphemeralDisk|BlockVolume|Linux$)|Elastic Block Store|Instance Storage/,
    /\b(virtual|vdisk|cloud|HARDDISK$)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
)

/** Disks of virtual machines call themselves rotating, whatever they are; a loop device is a file. */
export const isVirtual = (disk: string, vendor = '', model = ''): boolean =>
  /^(vd|xvd|loop|zram|nbd|rbd|drbd)/.test(disk) || virtualNames.test(vendor) || virtualNames.test(model)

/** A guest may see a disk under any name. Processors of the x86 family tell it. */
const isVirtualMachine = (): boolean => /^flags\s*:.*\bhypervisor\b/m.test(read('/proc/cpuinfo') ?? '')

/** A partition's folder lies in its disk's. */
function wholeDisk(block: string): string {
  return read(`${block}/partition`) === undefined ? block : path.dirname(block)
}

const read = (file: string): string | undefined => attempt(() => readFileSync(file, 'utf8').trim())

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
