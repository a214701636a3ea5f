// Metrics of the present round: view, phase, who has not voted, and why it is not done. The same answers as
// `ward status`; docs/alerts.md says which of them call for a person.
import { Counter, Gauge, type Registry } from 'prom-client'
import type { DriverStatus } from '../../consensus/net/ports.js'
import { alarmCodes } from '../../consensus/pbft/index.js'

export class RoundMetrics {
  private readonly gauges: Record<string, Gauge>
  private readonly alarms: Counter
  private readonly halts: Counter

  constructor(registry: Registry) {
    const gauge = (name: string, help: string, ...labelNames: string[]): Gauge =>
      new Gauge({ name: `wardchain_${name}`, help, labelNames, registers: [registry] })
    const counter = (name: string, help: string): Counter =>
      new Counter({ name: `wardchain_${name}`, help, labelNames: ['code'], registers: [registry] })
    this.gauges = {
      reason: gauge('round_reason', '1 for the reason why the present round is not done', 'code'),
      seconds: gauge('round_seconds', 'Age of the present view while there is something to agree on'),
      phase: gauge('phase', '1 for the phase of the present round', 'phase'),
      missing: gauge('vote_missing', '1: the vote of this validator was not seen', 'validator'),
      connected: gauge('validator_connected', '1: connected to this node', 'validator'),
      silent: gauge('validator_silent_seconds', 'Since it was heard; -1: never', 'validator'),
      clock: gauge('clock_ahead_seconds', "A validator's clock minus this node's", 'validator'),
      withheld: gauge('votes_withheld', '1: this validator lost its record of votes and keeps still (R17)'),
      quorum: gauge('has_quorum', '1: enough validators are connected to decide anything'),
    }
    this.alarms = counter('alarms_total', 'Alarms of the consensus core, by code')
    this.halts = counter('halts_total', 'Reasons for which this node stopped voting')
    // From the start on: `increase` does not see the first count of a series that was not there before.
    for (const code of alarmCodes) this.alarms.inc({ code }, 0)
  }

  onAlarm(code: string): void {
    this.alarms.inc({ code })
  }

  onHalt(code: string): void {
    this.halts.inc({ code })
  }

  /** Sets all gauges; `nameOf` turns an entity's hex id into its node's name. */
  update(status: DriverStatus, nameOf: (entity: string) => string): void {
    const { reason, seconds, phase, missing, connected, silent, clock, quorum, withheld } = this.gauges
    for (const gauge of [reason, phase, missing, connected, silent, clock]) gauge.reset()
    reason.set({ code: status.reason.code }, 1)
    seconds.set(status.reason.sinceMs / 1_000)
    phase.set({ phase: status.phase }, 1)
    quorum.set(status.hasQuorum ? 1 : 0)
    withheld.set(status.isSilent ? 1 : 0)
    const owing = new Set(status.missing)
    for (const voter of status.validators) {
      const validator = nameOf(voter.entity)
      missing.set({ validator }, owing.has(voter.entity) ? 1 : 0)
      connected.set({ validator }, voter.connected ? 1 : 0)
      silent.set({ validator }, voter.silentMs < 0 ? -1 : voter.silentMs / 1_000)
      if (voter.clockAheadMs !== null) clock.set({ validator }, voter.clockAheadMs / 1_000)
    }
  }
}
