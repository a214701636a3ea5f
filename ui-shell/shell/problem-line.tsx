// What went wrong, where it went wrong: said at once, with the code small beside the sentence.
import { visibleText } from '../values/text.js'
import type { Refusal } from './api.js'

/**
 * `id` is what the field's aria-describedby names. The element is always there: its change is announced.
 */
export function ProblemLine(props: { id: string; problem: Refusal | undefined; testId: string }) {
  const { id, problem, testId } = props
  return (
    <p id={id} class="problem" role="alert" data-testid={testId} data-code={problem?.code}>
      {problem !== undefined && (
        <>
          {problem.sentence} {visibleText(problem.detail, 300)} <small>{problem.code}</small>
        </>
      )}
    </p>
  )
}
