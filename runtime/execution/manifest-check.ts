// What a manifest that decodes may still get wrong: fields that do not fit each other, or not its module.
import type { Manifest } from '../protocol/manifest.js'
import type { ManifestProblem, ManifestProblemCode } from '../protocol/manifest-problem.js'

/**
 * Fuel bound that a method run by the kernel may declare: a quarter of what a block keeps for derived work.
 */
export const methodFuelMax = 500_000_000

/** The first problem, or undefined. */
export function manifestProblem(manifest: Manifest): ManifestProblem | undefined {
  const { methods, subscriptions } = manifest
  const known = new Map(methods.map((method) => [method.name, method]))
  for (const [index, method] of methods.entries()) {
    const { name, kind, fuel } = method
    const at = (code: ManifestProblemCode, part: number, words: string): ManifestProblem => ({
      code,
      path: ['methods', index, part],
      detail: `methods[${index}]: ${words}`,
    })
    if (methods.findIndex((other) => other.name === name) < index)
      return at('METHOD_TWICE', 0, `${name} occurs twice`)
    if (kind !== 'call' && kind !== 'view' && fuel > methodFuelMax)
      return at('FUEL_TOO_HIGH', 2, `fuel of ${name} is above ${methodFuelMax}`)
  }
  const wrong = subscriptions.findIndex(({ method }) => known.get(method)?.kind !== 'record')
  if (wrong >= 0) {
    const detail = `subscriptions[${wrong}]: ${subscriptions[wrong].method} is not a record method`
    return { code: 'SUBSCRIPTION_METHOD', path: ['subscriptions', wrong, 2], detail }
  }
  // Subscriptions name methods, so a page without methods has none of them either.
  if (manifest.type === 'page' && methods.length > 0)
    return { code: 'PAGE_METHODS', path: ['methods'], detail: 'methods: a page has none' }
  return undefined
}

/** A method that the module does not have. */
export function missingMethod(
  manifest: Manifest,
  exported: readonly string[],
): ManifestProblem | undefined {
  const index = manifest.methods.findIndex(({ name }) => !exported.includes(name))
  if (index < 0) return undefined
  const detail = `${manifest.methods[index].name} is not exported as a function () -> ()`
  return { code: 'METHOD_MISSING', path: ['methods', index, 0], detail }
}
