// The explanation of one alert: inputs with times, points and thresholds, what is missing, what would
// change it, which rule said so, and who did what since. So that a nurse can check it, not just obey it.
import type { AlertInputView, AlertView } from '../../channel/views.js'
import { formatQuantity } from '../../values/number.js'
import { formatConcept, shortId, visibleText } from '../../values/text.js'
import { authorName, FinalityMark, When } from './words.js'

const validationWords = ['device, unvalidated', 'validated', 'entered by hand'] as const

export function AlertReasons({ alert, now }: { alert: AlertView; now: number }) {
  return (
    <div class="reasons">
      <Lines title="It fired because" lines={alert.basis} />
      {alert.inputs.length > 0 && <Inputs of={alert.summary} inputs={alert.inputs} now={now} />}
      <Lines
        title="Missing (counted as incomplete, never as normal)"
        lines={alert.missing}
        none="Nothing is missing."
      />
      <Lines title="What would change the result" lines={alert.wouldChange} />
      <h4>Rule</h4>
      <p>
        {visibleText(alert.rule, 100)} version {visibleText(alert.ruleVersion, 40)}, branch{' '}
        {visibleText(alert.branch, 60)}
      </p>
      <p class="muted">
        address{' '}
        <code class="address" title={alert.ruleAddress}>
          {alert.ruleAddress}
        </code>
      </p>
      {alert.citation !== '' && <p class="muted">{visibleText(alert.citation, 400)}</p>}
      <h4>What happened since</h4>
      <ol class="track">
        <li>
          raised by the rule, <When time={alert.raisedTime} now={now} />{' '}
          <FinalityMark
            finality={alert.finality === 'retracted' ? 'final' : alert.finality}
            height={alert.height}
          />
        </li>
        {alert.responses.map((response) => (
          <li key={`${response.height} ${response.author.entity} ${response.response}`}>
            {visibleText(response.response, 40)} by {authorName(response.author)}
            {response.reason !== '' && <>: “{visibleText(response.reason, 300)}”</>},{' '}
            <When time={response.time} now={now} />{' '}
            <FinalityMark finality={response.finality} height={response.height} />
          </li>
        ))}
        {alert.state === 'open' && <li>nobody has acknowledged it yet</li>}
        {alert.state === 'replaced' && <li>replaced by an alert of higher severity</li>}
      </ol>
      <p class="muted">alert {shortId(alert.id)}</p>
    </div>
  )
}

function Inputs({ of, inputs, now }: { of: string; inputs: AlertInputView[]; now: number }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`Inputs of: ${visibleText(of, 160)}`}>
      <table>
        <caption>Inputs</caption>
        <thead>
          <tr>
            <th scope="col">Parameter</th>
            <th scope="col">Value</th>
            <th scope="col">Measured</th>
            <th scope="col">Source</th>
            <th scope="col">Points</th>
            <th scope="col">Threshold</th>
          </tr>
        </thead>
        <tbody>
          {inputs.map((input) => (
            <tr key={`${input.record} ${input.code} ${input.label}`}>
              <th scope="row">{visibleText(input.label, 80)}</th>
              <td>{valueOf(input)}</td>
              <td>
                <When time={input.effectiveTime} now={now} />
              </td>
              <td class={input.validation === 0 ? 'dashed' : ''}>
                {validationWords[input.validation] ?? 'unknown'}
              </td>
              <td>
                <Points points={input.points} />
              </td>
              <td>{visibleText(input.threshold, 120)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function valueOf(input: AlertInputView): string {
  if (input.text !== '' && input.unit === '') return formatConcept(input.text)
  return formatQuantity(input.value, input.scale, input.unit)
}

/** Score colours 0 to 3 with number and shape: as many dots as points. */
function Points({ points }: { points: number }) {
  const level = Math.min(3, Math.max(0, points))
  return (
    <span class={`points points-${level}`}>
      {points} <span aria-hidden="true">{'•'.repeat(level)}</span>
    </span>
  )
}

function Lines({ title, lines, none }: { title: string; lines: string[]; none?: string }) {
  if (lines.length === 0 && none === undefined) return null
  return (
    <>
      <h4>{title}</h4>
      {lines.length === 0 ? (
        <p>{none}</p>
      ) : (
        <ul class="plain">
          {lines.map((line) => (
            <li key={line}>{visibleText(line, 300)}</li>
          ))}
        </ul>
      )}
    </>
  )
}
