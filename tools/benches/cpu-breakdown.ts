// What a transaction costs a validator, by part: sums the profiles of all node processes of a bench.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { generateSigningKey, randomBytes, signDetached, verifySignature } from '../../host/keys/crypto.js'
import { noTimes, parts, type PartTimes, type ThreadShares } from './cpu-shares.js'

const preload = new URL('./cpu-profile.preload.js', import.meta.url).href
/** The threads look every 250 ms; a busy machine gives them their turn late. */
const settleMs = 2_000

/** µs of processor time of all validators together; `native` is spent outside their JavaScript threads. */
export type Breakdown = PartTimes & { native: number; main: number; all: number }

export class CpuProbe {
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'wardchain-profile-'))

  /** For the processes that are to be looked at. */
  environment(): Record<string, string> {
    const options = [process.env.NODE_OPTIONS ?? '', `--import=${preload}`].join(' ').trim()
    return { WARD_BENCH_PROFILE: this.folder, NODE_OPTIONS: options }
  }

  /** Takes profiles while `run` does its work. */
  async during(run: () => Promise<void>): Promise<Breakdown> {
    const go = path.join(this.folder, 'go')
    writeFileSync(go, '')
    await rest()
    await run()
    rmSync(go)
    await rest()
    return this.sum()
  }

  private sum(): Breakdown {
    const sum = { ...noTimes(), native: 0, main: 0, all: 0 }
    for (const process of readdirSync(this.folder)) {
      let threadsUs = 0
      const own = path.join(this.folder, process)
      for (const name of readdirSync(own).filter((file) => file.endsWith('.json'))) {
        const report = JSON.parse(readFileSync(path.join(own, name), 'utf8')) as ThreadShares
        for (const part of parts) sum[part] += report.shares[part] * report.cpuUs
        threadsUs += report.cpuUs
        if (!report.isMainThread) continue
        sum.main += report.cpuUs
        sum.all += report.processCpuUs
      }
      sum.native -= threadsUs
    }
    sum.native += sum.all
    return sum
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, settleMs))

/** µs of processor time of one signature check, of a vital sign's length, here and now. */
export function signatureCheckUs(): number {
  const key = generateSigningKey()
  const message = randomBytes(250)
  const signature = signDetached(key, message)
  const rounds = 2_000
  const start = process.cpuUsage()
  for (let round = 0; round < rounds; round += 1) verifySignature(key.publicKey, message, signature)
  const { user, system } = process.cpuUsage(start)
  return (user + system) / rounds
}
