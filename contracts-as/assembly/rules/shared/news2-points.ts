// NEWS2, Chart 1: points of each parameter. Pure integers; temperature in tenths of a degree Celsius.
// Reproduced from: Royal College of Physicians. National Early Warning Score (NEWS) 2. London: RCP, 2017.

/** The seven parameters, in the chart's order. */
export enum Parameter {
  Respiration = 0,
  Saturation = 1,
  Oxygen = 2,
  Systolic = 3,
  Pulse = 4,
  Consciousness = 5,
  Temperature = 6,
}
export const PARAMETERS: i32 = 7

/** Respirations per minute. */
export function respirationPoints(perMinute: i32): i32 {
  if (perMinute <= 8) return 3
  if (perMinute <= 11) return 1
  if (perMinute <= 20) return 0
  return perMinute <= 24 ? 2 : 3
}

/** Oxygen saturation in whole percent. Scale 2 scores high values only while on oxygen. */
export function saturationPoints(percent: i32, isScale2: bool, onOxygen: bool): i32 {
  if (!isScale2) {
    if (percent <= 91) return 3
    if (percent <= 93) return 2
    return percent <= 95 ? 1 : 0
  }
  if (percent <= 83) return 3
  if (percent <= 85) return 2
  if (percent <= 87) return 1
  if (percent <= 92 || !onOxygen) return 0
  if (percent <= 94) return 1
  return percent <= 96 ? 2 : 3
}

export function oxygenPoints(onOxygen: bool): i32 {
  return onOxygen ? 2 : 0
}

/** Systolic pressure in mmHg. */
export function systolicPoints(pressure: i32): i32 {
  if (pressure <= 90) return 3
  if (pressure <= 100) return 2
  if (pressure <= 110) return 1
  return pressure <= 219 ? 0 : 3
}

/** Beats per minute. */
export function pulsePoints(perMinute: i32): i32 {
  if (perMinute <= 40) return 3
  if (perMinute <= 50) return 1
  if (perMinute <= 90) return 0
  if (perMinute <= 110) return 1
  return perMinute <= 130 ? 2 : 3
}

/** ACVPU as a capital letter's character code: Alert, new Confusion, Voice, Pain, Unresponsive. */
export function consciousnessPoints(letter: i32): i32 {
  return letter == 0x41 ? 0 : 3
}

/** Tenths of a degree Celsius: 386 is 38.6. */
export function temperaturePoints(tenths: i32): i32 {
  if (tenths <= 350) return 3
  if (tenths <= 360) return 1
  if (tenths <= 380) return 0
  return tenths <= 390 ? 1 : 2
}

/** Points of any parameter; `isScale2` and `onOxygen` matter to the saturation only. */
export function pointsOf(parameter: i32, value: i32, isScale2: bool, onOxygen: bool): i32 {
  switch (parameter) {
    case Parameter.Respiration:
      return respirationPoints(value)
    case Parameter.Saturation:
      return saturationPoints(value, isScale2, onOxygen)
    case Parameter.Oxygen:
      return oxygenPoints(value > 0)
    case Parameter.Systolic:
      return systolicPoints(value)
    case Parameter.Pulse:
      return pulsePoints(value)
    case Parameter.Consciousness:
      return consciousnessPoints(value)
    default:
      return temperaturePoints(value)
  }
}
