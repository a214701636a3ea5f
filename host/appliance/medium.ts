// Which medium a folder lies on, for the certificate of sanitisation. Linux says it under /sys; what
// nobody says is "unknown".
import { readFileSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'

export interface Medium {
  make: string
  model: string
  serial: string
  /** `solid state`, `rotating`, `virtual` (what lies below it does not show) or `unknown`. */
  type: string
  /** Bytes, 0 when unknown. */
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
    const block = realpathSync(`/sys/dev/block/${major}:${minor}`)
    const disk = wholeDisk(block)
    const rotational = read(`${disk}/queue/rotational`)
    return {
      make: read(`${disk}/device/vendor`) ?? unknown,
      model: read(`${disk}/device/model`) ?? unknown,
      serial: read(`${disk}/device/serial`) ?? unknown,
      type: isVirtual(path.basename(disk), read(`${disk}/device/vendor`)) ? 'virtual' : typeOf(rotational),
      capacityBytes: 512 * Number(read(`${disk}/size`) ?? 0),
      device: path.basename(block),
    }
  } catch {
    return none
  }
}

const typeOf = (rotational: string | undefined): string =>
  rotational === '0' ? 'solid state' : rotational === '1' ? 'rotating' : unknown

/** Disks of virtual machines call themselves rotating, whatever they are; a loop device is a file. */
export const isVirtual = (disk: string, vendor = ''): boolean =>
  /^(vd|xvd|loop|zram|nbd|rbd)/.test(disk) || /^(0x1af4|QEMU|VMware|Msft|VBOX|Google|Xen)/i.test(vendor)

/** A partition's folder lies in its disk's. */
function wholeDisk(block: string): string {
  return read(`${block}/partition`) === undefined ? block : path.dirname(block)
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
