// Response headers of the shell and of application documents: shell.md sections 7 and 8, word for word.
// No CORS header exists anywhere: other origins get no answer they can read.

const denied = [
  'camera',
  'microphone',
  'geolocation',
  'usb',
  'serial',
  'bluetooth',
  'hid',
  'clipboard-read',
  'display-capture',
  'payment',
]

/** On every answer. */
export const commonHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'permissions-policy': denied.map((feature) => `${feature}=()`).join(', '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/**
 * Of the shell's page, script and style. `frame-src` also stops a frame from navigating itself away (probe
 * 10).
 */
export const shellPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "frame-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
].join('; ')

/** Of an application document: scripts of its own, and nothing to talk to but the shell's channel. */
export const applicationPolicy = [
  'sandbox allow-scripts',
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "webrtc 'block'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join('; ')

/** Of JSON: nothing in it may ever run or be framed. */
export const dataPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox"
