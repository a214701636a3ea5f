// Prometheus metrics of a node. Names are API; none carries patient data.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { laneNames } from '../../runtime/protocol/index.js'
import type { CommitReply } from '../executor/messages.js'
import { PeerMetrics } from './peer-metrics.js'
import { RoundMetrics } from './round-metrics.js'
import type { RunningNode } from './running-node.js'

export class NodeMetrics {
  private readonly registry = new Registry()
  private readonly height = new Gauge({
    name: 'wardchain_height',
    help: 'Last final height',
    registers: [this.registry],
  })
  private readonly view = new Gauge({
    name: 'wardchain_view',
    help: 'View at the next height',
    registers: [this.registry],
  })
  private readonly lag = new Gauge({
    name: 'wardchain_lag_blocks',
    help: 'Blocks behind the best peer',
    registers: [this.registry],
  })
  private readonly peers = new Gauge({
    name: 'wardchain_peers_connected',
    help: 'Open connections',
    registers: [this.registry],
  })
  private readonly waiting = new Gauge({
    name: 'wardchain_pool_transactions',
    help: 'Transactions that wait',
    registers: [this.registry],
  })
  private readonly missing = new Gauge({
    name: 'wardchain_votes_missing',
    help: 'Validators whose vote of the present phase was not seen',
    registers: [this.registry],
  })
  private readonly disk = new Gauge({
    name: 'wardchain_disk_free_ratio',
    help: 'Free share of the disk that carries the store, 0 to 1',
    registers: [this.registry],
  })
  private readonly heap = new Gauge({
    name: 'wardchain_heap_used_ratio',
    help: 'Share of the heap that stayed in use during the last minute, 0 to 1, by thread',
    labelNames: ['thread'],
    registers: [this.registry],
  })
  private readonly evidence = new Gauge({
    name: 'wardchain_equivocation_evidence',
    help: 'Kept proofs that a validator signed two contradicting messages, by phase',
    labelNames: ['phase'],
    registers: [this.registry],
  })
  private readonly proofs = new Gauge({
    name: 'wardchain_equivocation_on_chain',
    help: 'Proofs on the chain that a key of a node signed two contradicting messages, by phase',
    labelNames: ['phase'],
    registers: [this.registry],
  })
  private readonly quarantined = new Gauge({
    name: 'wardchain_rule_quarantined',
    help: 'Rules that failed for several sources and patients and are kept from running, 1 each',
    labelNames: ['alias'],
    registers: [this.registry],
  })
  private readonly held = new Gauge({
    name: 'wardchain_held_back_transactions',
    help: 'Transactions that this node does not propose since its executor died or a result split',
    registers: [this.registry],
  })
  private readonly laneWaiting = new Gauge({
    name: 'wardchain_pool_lane_transactions',
    help: 'Transactions that wait, by lane',
    labelNames: ['lane'],
    registers: [this.registry],
  })
  private readonly sealed = new Gauge({
    name: 'wardchain_sealed',
    help: '1: the store is locked, the node takes part in nothing',
    registers: [this.registry],
  })
  readonly round = new RoundMetrics(this.registry)
  readonly peersDid = new PeerMetrics(this.registry)
  private readonly blocks = new Counter({
    name: 'wardchain_blocks_total',
    help: 'Blocks made final here',
    registers: [this.registry],
  })
  private readonly transactions = new Counter({
    name: 'wardchain_transactions_total',
    help: 'Receipts by outcome',
    labelNames: ['outcome'],
    registers: [this.registry],
  })
  private readonly signed = new Counter({
    name: 'wardchain_signed_final_total',
    help: 'Signed transactions made final here',
    registers: [this.registry],
  })
  private readonly age = new Histogram({
    name: 'wardchain_block_age_ms',
    help: 'From block time to final here',
    buckets: [5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000],
    registers: [this.registry],
  })

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: 'wardchain_' })
  }

  onCommit(commit: CommitReply, now: number): void {
    this.height.set(commit.height)
    this.blocks.inc()
    this.age.observe(Math.max(0, now - commit.blockTime))
    for (const receipt of commit.receipts) {
      if (receipt.cause === '') this.signed.inc()
      this.transactions.inc({ outcome: receipt.status === 0 ? 'done' : 'refused' })
    }
  }

  text(node: RunningNode | undefined, quarantined: readonly { alias: string }[]): Promise<string> {
    this.sealed.set(node ? 0 : 1)
    this.quarantined.reset()
    for (const { alias } of node ? quarantined : []) this.quarantined.set({ alias }, 1)
    if (node) {
      const status = node.driver.status()
      this.round.update(status, (entity) => node.book.nameOf(entity) ?? entity.slice(0, 8))
      this.view.set(status.view)
      this.lag.set(status.lag)
      this.peers.set(status.peers.length)
      this.missing.set(status.missing.length)
      this.waiting.set(node.pool.size)
      this.held.set(node.pool.held.count)
      const { disk, heap = [] } = node.upkeep.view ?? {}
      for (const { thread, usedBytes, limitBytes } of heap)
        this.heap.set({ thread }, usedBytes / limitBytes)
      if (disk) this.disk.set(disk.freeBytes / disk.totalBytes)
      node.pool.laneCounts.forEach((count, lane) => this.laneWaiting.set({ lane: laneNames[lane] }, count))
      for (const [phase, count] of node.proofs?.counts ?? []) this.proofs.set({ phase }, count)
      this.evidence.reset()
      for (const { phase } of node.evidence.all) this.evidence.inc({ phase })
    }
    return this.registry.metrics()
  }
}
