// What a rule says when it fires. The kernel adds the rule's identity, `ward/alerts` applies the hospital's
// policy.
import { pointer, takeResult, Bytes } from './bytes'
import { Reader, Writer } from './borsh'
import { alert_raise, refuse } from './env'

export enum Severity {
  Info = 1,
  Urgent = 2,
  Critical = 3,
}

/** What became of a raised alert. */
export enum AlertOutcome {
  /** A new alert. */
  Raised = 1,
  /** Evidence added to an alert of the last six hours. */
  Folded = 2,
  /** A new alert in place of one of lower severity. */
  Escalated = 3,
}

/** One line of an alert's basis: what was read, what it scored, against which threshold. */
export class AlertInput {
  code: string = ''
  label: string = ''
  value: i64 = 0
  scale: u8 = 0
  unit: string = ''
  text: string = ''
  effectiveTime: u64 = 0
  record: Bytes = new StaticArray<u8>(32)
  points: i32 = 0
  threshold: string = ''
  validation: u8 = 0

  write(writer: Writer): void {
    writer
      .text(this.code)
      .text(this.label)
      .i64(this.value)
      .u8(this.scale)
      .text(this.unit)
      .text(this.text)
      .u64(this.effectiveTime)
      .fixed(this.record)
      .i32(this.points)
      .text(this.threshold)
      .u8(this.validation)
  }
}

export class AlertReceipt {
  constructor(
    public alert: Bytes,
    public outcome: AlertOutcome,
  ) {}
}

export class Alert {
  inputs: AlertInput[] = []
  basis: string[] = []
  missing: string[] = []
  wouldChange: string[] = []
  citation: string = ''

  constructor(
    public patient: Bytes,
    /** One open alert per (patient, rule, branch). */
    public branch: string,
    public severity: Severity,
    /** At most 140 characters, one sentence that a nurse can act on. */
    public summary: string,
  ) {}

  /** The fields after the patient, as alert bodies have them too. */
  writeDraft(writer: Writer): Writer {
    writer
      .text(this.branch)
      .u8(this.severity as u8)
      .text(this.summary)
      .u32(this.inputs.length)
    for (let index = 0; index < this.inputs.length; index++) unchecked(this.inputs[index]).write(writer)
    return writer.texts(this.basis).texts(this.missing).texts(this.wouldChange).text(this.citation)
  }

  raise(): AlertReceipt {
    const bytes = this.writeDraft(new Writer().fixed(this.patient)).finish()
    const length = alert_raise(pointer(bytes), bytes.length)
    if (length < 0) refuse(-length, 'ward/alerts did not take the alert')
    const reader = new Reader(takeResult(length))
    const id = reader.fixed(32)
    return new AlertReceipt(id, reader.u8() as AlertOutcome)
  }
}
