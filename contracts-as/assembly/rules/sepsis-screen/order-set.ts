// The proposed order set (clinical reference, section 4). Everything waits for a physician's signature.
import { fuelLeft, tryCall, Writer, Bytes } from '../../sdk'

export const ORDER_SET = 'sepsis-first-hour'

/** Fuel that stays with the rule when it proposes. */
const FUEL_KEPT: i64 = 100000

class Items {
  count: i32 = 0
  writer: Writer = new Writer()

  add(item: string, display: string, category: string, detail: string, need: string): void {
    this.count += 1
    this.writer
      .text(item)
      .text(display)
      .text(category)
      .text(detail)
      .texts(need.length > 0 ? [need] : [])
  }
}

/**
 * Cultures come first: antibiotics make them blind. Fluids have no volume without a weight: never a
 * default.
 */
function items(): Items {
  const list = new Items()
  list.add('600-7', 'Blood culture, set 1 of 2', 'laboratory', 'Draw before the antibiotic is given.', '')
  list.add(
    '600-7',
    'Blood culture, set 2 of 2',
    'laboratory',
    'From another site, before the antibiotic.',
    '',
  )
  list.add('2524-7', 'Lactate', 'laboratory', 'Repeat within 6 hours if above 2 mmol/L.', '')
  list.add('58410-2', 'Complete blood count', 'laboratory', '', '')
  list.add('2160-0', 'Creatinine', 'laboratory', '', '')
  list.add('1975-2', 'Bilirubin, total', 'laboratory', '', '')
  list.add(
    'crystalloid-30-ml-kg',
    'Crystalloid 30 mL/kg',
    'fluid',
    'For hypotension or lactate >= 4 mmol/L. No volume is given here: enter the weight first.',
    'weight',
  )
  list.add(
    'antibiotic-broad-spectrum',
    'Broad-spectrum antibiotic',
    'medication',
    'By local formulary, after the cultures and the allergy check; in shock within 1 hour.',
    'allergy-check',
  )
  list.add('vital-signs-hourly', 'Vital signs every hour', 'monitoring', '', '')
  list.add(
    'source-control-imaging',
    'Imaging for source control',
    'suggestion',
    'For the surgeon to consider: where the infection comes from, and whether it can be drained.',
    '',
  )
  return list
}

/** False when the proposal failed: the alert stands without it. */
export function proposeOrders(rule: string, address: Bytes, patient: Bytes, alert: Bytes): bool {
  const list = items()
  // The version is the alert's: `ward/orders` takes it from there.
  const args = new Writer()
    .text(rule)
    .text('')
    .fixed(address)
    .fixed(patient)
    .option(alert)
    .text(ORDER_SET)
    .u32(list.count)
    .fixed(list.writer.finish())
  // A slice, not all that is left: should the proposal run dry, the alert must still stand.
  return tryCall('ward/orders', 'propose', args, fuelLeft() - FUEL_KEPT).ok
}
