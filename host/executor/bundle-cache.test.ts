// Checked bundles are bounded in bytes, whatever their number.
import t from 'tap'
import type { Bundle } from '../../runtime/protocol/index.js'
import { BundleCache, cachedBytesMax } from './bundle-cache.js'

const bundle = (id: number): Bundle => ({ signed: { id: new Uint8Array([id]) } }) as unknown as Bundle

t.test('up to the bound all stay; one byte more and the oldest leaves', async (t) => {
  const cache = new BundleCache()
  cache.keep('first', bundle(1), cachedBytesMax / 2)
  cache.keep('second', bundle(2), cachedBytesMax / 2)
  t.ok(cache.find('first') && cache.find('second'))
  cache.keep('third', bundle(3), 1)
  t.equal(cache.find('first'), undefined)
  t.ok(cache.find('second') && cache.find('third'))
  cache.forget([new Uint8Array([2])])
  cache.keep('fourth', bundle(4), cachedBytesMax - 1)
  t.ok(cache.find('third') && cache.find('fourth'), 'what was forgotten counts no more')
})
