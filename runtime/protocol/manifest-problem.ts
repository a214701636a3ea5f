// What can be wrong with a manifest, apart from the code that ends the transaction (MANIFEST_REFUSED): a code
// for each, the byte in the manifest as it was deployed, and a sentence for its vendor.
import { placeOf, type FieldPath } from './cbor-place.js'

/** Stable: never renamed, never reused. Before them come CBOR_MALFORMED and the decoder's other codes. */
export type ManifestProblemCode =
  | 'MANIFEST_TOO_LARGE'
  // One field, whatever it means.
  | 'FIELD_MALFORMED'
  | 'FIELD_MISSING'
  | 'FIELD_UNKNOWN'
  | 'TEXT_EXPECTED'
  | 'TEXT_LENGTH'
  | 'TEXT_NOT_ASCII'
  | 'TEXT_CONTROLS'
  | 'NUMBER_EXPECTED'
  | 'LIST_EXPECTED'
  | 'LIST_LENGTH'
  // What the field means.
  | 'TYPE_UNKNOWN'
  | 'ALIAS_MALFORMED'
  | 'METHOD_NAME'
  | 'METHOD_KIND'
  | 'METHOD_TWICE'
  | 'METHOD_MISSING'
  | 'FUEL_TOO_HIGH'
  | 'SCHEMA_UNKNOWN'
  | 'SCHEMA_TAG'
  | 'SCHEMA_TOO_DEEP'
  | 'SUBSCRIPTION_METHOD'
  | 'PAGE_METHODS'
  // Tables, beside what the alias has already.
  | 'TABLE_TWICE'
  | 'TABLES_UNDECLARED'
  | 'TABLE_OF_LAYOUT'
  | 'TABLE_BINDING'

export interface ManifestProblem {
  code: ManifestProblemCode
  path: FieldPath
  /** A sentence that names the place in words. */
  detail: string
}

/** `bytes`: the manifest, well-formed CBOR. */
export const manifestProblemText = (bytes: Uint8Array, { code, path, detail }: ManifestProblem): string =>
  `${code} at byte ${placeOf(bytes, path)}: ${detail}`
