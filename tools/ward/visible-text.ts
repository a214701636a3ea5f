// What others wrote on the chain, made safe for a terminal: everything that `ward` prints of it goes through
// here. Screens have the same rule in `ui-shell/values/text.ts`, which is built for browsers only.

/** Controls, what reorders text, zero-width characters and line separators. */
const hidden =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g

/** One line: tabs and line ends as one space, each other hidden character as `<U+202E>`. */
export function visibleText(text: string): string {
  return text
    .replace(/[\t\r\n]+/g, ' ')
    .replace(
      hidden,
      (character) => `<U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}>`,
    )
}
