// The screens' types against the node's: the compiler is the test, for neither side may drift from the
// other.
import t from 'tap'
import type * as node from '../../host/api/node-port.js'
import type * as screen from './views.js'

/** Compiles only when everything that the node sends is what the screen expects. */
type Fits<Sent extends Expected, Expected> = Sent

export type Checked = [
  Fits<node.NodeStatus, screen.StatusView>,
  Fits<node.PersonView, screen.PersonView>,
  Fits<node.PatientView, screen.PatientView>,
  Fits<node.RecordJson, screen.RecordView>,
  Fits<node.AlertView, screen.AlertView>,
  Fits<node.OrderView, screen.OrderView>,
  Fits<node.Prepared, screen.PreparedView>,
  Fits<node.ReceiptView, screen.ReceiptView>,
  Fits<Omit<node.PageView, 'html'>, screen.PageView>,
  Fits<node.ApiEvent, screen.EventView>,
]

t.pass('compiled')
