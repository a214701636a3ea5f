// Text from outside, made safe to look at: nothing hides, nothing reorders what stands around it.

/** Controls, bidi controls, zero-width and line separators: they can make one name look like another. */
const hidden =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g

/**
 * Each hidden character as `⟨U+202E⟩`; tabs and line ends become one space. Length is bounded for layout.
 */
export function visibleText(text: string, lengthMax = 2_000): string {
  const shown = text
    .replace(/[\t\r\n]+/g, ' ')
    .replace(
      hidden,
      (character) => `⟨U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`,
    )
  return shown.length > lengthMax ? `${shown.slice(0, lengthMax)}…` : shown
}

/** `JONES, Lisa`: the family name stands out by form, not by colour. */
export function formatName(family: string, given: string): string {
  const parts = [visibleText(family, 500).toUpperCase(), visibleText(given, 500)].filter(
    (part) => part !== '',
  )
  return parts.length === 0 ? 'NAME NOT RECORDED' : parts.join(', ')
}

/** `purulent-drainage` → `Purulent drainage`. */
export function formatConcept(concept: string): string {
  const words = visibleText(concept).replace(/[-_]+/g, ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** First 8 and last 4 digits of an id, for people to compare; the whole id stands in the details. */
export const shortId = (hex: string): string =>
  hex.length > 16 ? `${hex.slice(0, 8)}…${hex.slice(-4)}` : hex
