// Who may use the executor for admission now. The executor answers one request after the other; a frame of
// a thousand bundles in one request would keep a vote's block, or an alarm, waiting for a tenth of a second.
import type { AdmitReply } from '../executor/messages.js'

/** Bundles in one request: about 2 ms of decoding and signature checks. */
const chunkCountMax = 16
/** Jobs of at most so many bundles (a person, a device, an urgent frame) do not queue behind imports. */
const shortCountMax = 4

type Admit = (bundles: Uint8Array[]) => Promise<AdmitReply[]>

interface Job {
  bundles: readonly Uint8Array[]
  replies: AdmitReply[]
  done(replies: AdmitReply[]): void
  failed(error: unknown): void
}

/** One chunk is with the executor at a time; short and long jobs alternate, long ones take turns. */
export class AdmissionQueue {
  private readonly short: Job[] = []
  private readonly long: Job[] = []
  private isBusy = false
  private isLongNext = false

  constructor(private readonly admit: Admit) {}

  run(bundles: readonly Uint8Array[]): Promise<AdmitReply[]> {
    if (bundles.length === 0) return Promise.resolve([])
    return new Promise((resolve, reject) => {
      const job = { bundles, replies: [], done: resolve, failed: reject }
      if (bundles.length <= shortCountMax) this.short.push(job)
      else this.long.push(job)
      if (!this.isBusy) void this.work()
    })
  }

  private async work(): Promise<void> {
    this.isBusy = true
    for (let job = this.next(); job !== undefined; job = this.next()) {
      const from = job.replies.length
      const chunk = job.bundles.slice(from, from + chunkCountMax)
      try {
        job.replies.push(...(await this.admit(chunk)))
      } catch (error) {
        job.failed(error)
        continue
      }
      if (job.replies.length >= job.bundles.length) job.done(job.replies)
      else this.long.push(job)
    }
    this.isBusy = false
  }

  private next(): Job | undefined {
    const [first, second] = this.isLongNext ? [this.long, this.short] : [this.short, this.long]
    this.isLongNext = !this.isLongNext
    return first.shift() ?? second.shift()
  }
}
