// Proposed orders in the sequence of their order set, each signed by itself: there is no "sign all".
import type { OrderView } from '../../channel/views.js'
import { formatConcept, visibleText } from '../../values/text.js'
import { authorName, FinalityMark, When } from './words.js'

export interface OrdersProps {
  orders: OrderView[] | undefined
  now: number
  busy: string
  sign: (order: OrderView) => void
}

export function Orders({ orders, now, busy, sign }: OrdersProps) {
  const sets = orderSets(orders ?? [])
  return (
    <section aria-labelledby="orders-title">
      <h2 id="orders-title">
        Orders{' '}
        {orders !== undefined && (
          <span class="count" data-testid="unsigned-count">
            {orders.filter((order) => order.status === 'proposed').length} not signed
          </span>
        )}
      </h2>
      {orders === undefined && <p class="muted">Reading…</p>}
      {orders?.length === 0 && <p class="muted">No order is proposed or placed.</p>}
      {sets.map((set) => (
        <div key={set.key} class="set">
          <h3>{formatConcept(set.name)}</h3>
          <ol class="cards">
            {set.orders.map((order) => (
              <OrderCard key={order.id} order={order} now={now} isBusy={busy === order.id} sign={sign} />
            ))}
          </ol>
        </div>
      ))}
    </section>
  )
}

interface OrderCardProps {
  order: OrderView
  now: number
  isBusy: boolean
  sign: (order: OrderView) => void
}

function OrderCard({ order, now, isBusy, sign }: OrderCardProps) {
  const isProposed = order.status === 'proposed'
  const isSuggestion = order.category === 'suggestion'
  return (
    <li
      class={`card order is-${isProposed ? 'open' : 'done'}`}
      id={`card-${order.id}`}
      tabIndex={-1}
      data-testid="order"
      data-order={order.id}
    >
      <div class="line">
        <h4>
          {visibleText(order.display, 200)}{' '}
          <span class="muted">({formatConcept(order.category).toLowerCase()})</span>
        </h4>
        <span class={`mark ${isProposed ? 'dashed' : 'final'}`} data-testid="order-status">
          {isProposed ? 'proposed, not signed' : visibleText(order.status, 40)}
        </span>
      </div>
      {order.detail !== '' && <p>{visibleText(order.detail, 600)}</p>}
      {order.needs.length > 0 && (
        <p class="needs">
          <strong>Needs before it can be carried out:</strong>{' '}
          {order.needs.map((need) => formatConcept(need).toLowerCase()).join(', ')}
        </p>
      )}
      {isProposed && !isSuggestion && (
        <button
          type="button"
          class="primary"
          disabled={isBusy || order.finality !== 'final'}
          data-testid="sign-order"
          onClick={() => sign(order)}
        >
          {isBusy ? 'Waiting for your signature…' : 'Sign…'}
          <span class="unseen"> {visibleText(order.display, 100)}</span>
        </button>
      )}
      <ol class="track">
        <li class="muted">
          proposed by {visibleText(order.rule, 64)} {visibleText(order.ruleVersion, 20)},{' '}
          <When time={order.proposedTime} now={now} />{' '}
          <FinalityMark finality={order.finality} height={order.height} />
        </li>
        {order.events.map((event) => (
          <li key={`${event.height} ${event.status}`}>
            {visibleText(event.status, 40)} by {authorName(event.author)}
            {event.meaning !== '' && <>, “{visibleText(event.meaning, 100)}”</>}
            {event.reason !== '' && <>: {visibleText(event.reason, 300)}</>},{' '}
            <When time={event.time} now={now} />{' '}
            <FinalityMark finality={event.finality} height={event.height} />
          </li>
        ))}
      </ol>
    </li>
  )
}

interface OrderSet {
  key: string
  name: string
  orders: OrderView[]
}

/**
 * One set per alert and order set, newest first; inside it the sequence counts: cultures before
 * antibiotics.
 */
function orderSets(orders: OrderView[]): OrderSet[] {
  const sets = new Map<string, OrderSet>()
  for (const order of orders) {
    const key = `${order.alert ?? ''} ${order.orderSet}`
    const set = sets.get(key) ?? {
      key,
      name: order.orderSet === '' ? 'orders' : order.orderSet,
      orders: [],
    }
    set.orders.push(order)
    sets.set(key, set)
  }
  for (const set of sets.values()) set.orders.sort((left, right) => left.position - right.position)
  return [...sets.values()].sort((left, right) => newest(right) - newest(left))
}

const newest = (set: OrderSet): number => Math.max(...set.orders.map((order) => order.proposedTime))
