// The kernel set of the metered-ratio bench and of the tier-equality run: AssemblyScript, compiled with `asc -O3`.
// Each kernel takes a size and returns a checksum, so that nothing can be optimised away.

// SHA-256 over a buffer of `blocks` 64-byte blocks: integer work and loads.
const K: StaticArray<u32> = [
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
  0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
  0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
  0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
  0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]
const W = new StaticArray<u32>(64)

export function hash(blocks: i32): i32 {
  let h0: u32 = 0x6a09e667, h1: u32 = 0xbb67ae85, h2: u32 = 0x3c6ef372, h3: u32 = 0xa54ff53a
  let h4: u32 = 0x510e527f, h5: u32 = 0x9b05688c, h6: u32 = 0x1f83d9ab, h7: u32 = 0x5be0cd19
  for (let block = 0; block < blocks; block++) {
    for (let i = 0; i < 16; i++) unchecked((W[i] = block * 16 + i))
    for (let i = 16; i < 64; i++) {
      const w15 = unchecked(W[i - 15]), w2 = unchecked(W[i - 2])
      const s0 = rotr(w15, 7) ^ rotr(w15, 18) ^ (w15 >>> 3)
      const s1 = rotr(w2, 17) ^ rotr(w2, 19) ^ (w2 >>> 10)
      unchecked((W[i] = W[i - 16] + s0 + W[i - 7] + s1))
    }
    let a = h0, b = h1, c = h2, d = h3, e = h4, f = h5, g = h6, h = h7
    for (let i = 0; i < 64; i++) {
      const s1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)
      const t1 = h + s1 + ((e & f) ^ (~e & g)) + unchecked(K[i]) + unchecked(W[i])
      const s0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)
      const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c))
      h = g
      g = f
      f = e
      e = d + t1
      d = c
      c = b
      b = a
      a = t1 + t2
    }
    h0 += a
    h1 += b
    h2 += c
    h3 += d
    h4 += e
    h5 += f
    h6 += g
    h7 += h
  }
  return h0 ^ h1 ^ h2 ^ h3 ^ h4 ^ h5 ^ h6 ^ h7
}

// The NEWS2 chart as branches, on pseudo-random readings.
function news2(respiration: i32, saturation: i32, systolic: i32, pulse: i32, temperature: i32, isAlert: bool, hasOxygen: bool): i32 {
  let points = 0
  if (respiration <= 8) points += 3
  else if (respiration <= 11) points += 1
  else if (respiration >= 25) points += 3
  else if (respiration >= 21) points += 2
  if (saturation <= 91) points += 3
  else if (saturation <= 93) points += 2
  else if (saturation <= 95) points += 1
  if (hasOxygen) points += 2
  if (systolic <= 90) points += 3
  else if (systolic <= 100) points += 2
  else if (systolic <= 110) points += 1
  else if (systolic >= 220) points += 3
  if (pulse <= 40) points += 3
  else if (pulse <= 50) points += 1
  else if (pulse >= 131) points += 3
  else if (pulse >= 111) points += 2
  else if (pulse >= 91) points += 1
  if (!isAlert) points += 3
  if (temperature <= 350) points += 3
  else if (temperature <= 360) points += 1
  else if (temperature >= 391) points += 2
  else if (temperature >= 381) points += 1
  return points
}

export function score(count: i32): i32 {
  let state: u32 = 12345
  let total = 0
  for (let i = 0; i < count; i++) {
    state = state * 1664525 + 1013904223
    const respiration = 5 + <i32>((state >>> 8) % 25)
    const saturation = 85 + <i32>((state >>> 12) % 16)
    const systolic = 80 + <i32>((state >>> 10) % 150)
    const pulse = 35 + <i32>((state >>> 14) % 110)
    const temperature = 340 + <i32>((state >>> 9) % 60)
    total += news2(respiration, saturation, systolic, pulse, temperature, (state & 0x700) != 0, (state & 0x7000) == 0)
  }
  return total
}

// A float loop: an exponentially weighted mean and a variance over a series.
const series = new StaticArray<f64>(4096)

export function float(rounds: i32): i32 {
  for (let i = 0; i < 4096; i++) unchecked((series[i] = 36.5 + <f64>(i & 63) * 0.05))
  let mean: f64 = 37
  let squares: f64 = 0
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < 4096; i++) {
      const delta = unchecked(series[i]) - mean
      mean += delta * 0.125
      squares += delta * delta
    }
  }
  return <i32>(mean * 1000 + squares)
}

// Sorting readings and counting codes in a map.
export function sortmap(count: i32): i32 {
  const values = new Array<i32>(count)
  let state: u32 = 99
  for (let i = 0; i < count; i++) {
    state = state * 1664525 + 1013904223
    values[i] = <i32>(state >>> 4)
  }
  values.sort((a, b) => a - b)
  const counts = new Map<i32, i32>()
  for (let i = 0; i < count; i++) {
    const key = values[i] & 255
    counts.set(key, counts.has(key) ? counts.get(key) + 1 : 1)
  }
  let sum = 0
  for (let i = 0; i < count; i++) sum = sum * 31 + values[i] + counts.get(values[i] & 255)
  return sum
}

// Recursion.
export function recursion(n: i32): i32 {
  return n < 2 ? n : recursion(n - 1) + recursion(n - 2)
}

// Not in the speed set: software mathematics and strings, for equality of the tiers.
export function mathematics(count: i32): i32 {
  let sum: f64 = 0
  for (let i = 1; i <= count; i++) {
    const x = <f64>i * 0.37
    sum += Math.exp(-x) + Math.pow(x, 1.154) / Math.log(x + 1) + Math.sin(x) * Math.sqrt(x)
  }
  const text = sum.toString() + (sum / 0.0).toString() + ((sum - sum) / 0.0).toString()
  let result = 0
  for (let i = 0; i < text.length; i++) result = result * 31 + text.charCodeAt(i)
  return result
}
