// Text modules to bytes, with the `wabt` package. It assembles without validating: that is our validator's
// work.

import wabt from 'wabt'

export interface Assembler {
  /** The binary, or undefined when the assembler does not understand the text. */
  assemble(text: Uint8Array): Uint8Array | undefined
  /** The same without any help: for texts that are meant to be malformed. */
  assembleStrictly(text: Uint8Array): Uint8Array | undefined
}

/**
 * Features whose text forms the assembler should read, so that our validator gets to refuse them by name.
 */
const features = {
  multi_value: true,
  mutable_globals: true,
  sat_float_to_int: true,
  sign_extension: true,
  bulk_memory: true,
  reference_types: true,
  simd: true,
  tail_call: true,
  threads: true,
  exceptions: true,
  multi_memory: true,
  memory64: true,
  extended_const: true,
  relaxed_simd: true,
}

export async function createAssembler(): Promise<Assembler> {
  const api = await wabt()
  return {
    assemble: (text) => assembleOnce(api, text) ?? assembleOnce(api, withTableIndices(text)),
    assembleStrictly: (text) => assembleOnce(api, text),
  }
}

function assembleOnce(api: Awaited<ReturnType<typeof wabt>>, text: Uint8Array): Uint8Array | undefined {
  let parsed: ReturnType<typeof api.parseWat> | undefined
  try {
    // A plain array: the assembler reads beyond the end of a Buffer that is a view.
    parsed = api.parseWat('module.wat', Uint8Array.from(text), features)
    return parsed.toBinary({}).buffer
  } catch {
    return undefined
  } finally {
    parsed?.destroy()
  }
}

/** The assembler wants the table index that version 2.0 lets a text leave out. */
function withTableIndices(text: Uint8Array): Uint8Array {
  const source = Buffer.from(text).toString('latin1')
  const complete = source.replace(/\b(table\.(?:get|set|size|grow|fill))\b(?!\s*[$0-9])/g, '$1 0')
  return Buffer.from(complete, 'latin1')
}
