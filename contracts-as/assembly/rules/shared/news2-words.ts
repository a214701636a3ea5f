// NEWS2 in words: what a parameter is called and which band of the chart a value fell into.
import { Parameter } from './news2-points'

const labels: string[] = [
  'respirations',
  'oxygen saturation',
  'air or oxygen',
  'systolic pressure',
  'pulse',
  'consciousness',
  'temperature',
]

const units: string[] = ['/min', '%', 'L/min', 'mm[Hg]', '/min', '', 'Cel']

export function labelOf(parameter: i32): string {
  return unchecked(labels[parameter])
}

/** UCUM unit that the parameter is charted in. */
export function unitOf(parameter: i32): string {
  return unchecked(units[parameter])
}

/** The chart's band, e.g. `<= 90` or `101-110`. */
export function bandOf(parameter: i32, value: i32, isScale2: bool, onOxygen: bool): string {
  switch (parameter) {
    case Parameter.Respiration:
      return value <= 8
        ? '<= 8'
        : value <= 11
          ? '9-11'
          : value <= 20
            ? '12-20'
            : value <= 24
              ? '21-24'
              : '>= 25'
    case Parameter.Saturation:
      return saturationBand(value, isScale2, onOxygen)
    case Parameter.Oxygen:
      return value > 0 ? 'oxygen' : 'air'
    case Parameter.Systolic:
      if (value <= 90) return '<= 90'
      return value <= 100 ? '91-100' : value <= 110 ? '101-110' : value <= 219 ? '111-219' : '>= 220'
    case Parameter.Pulse:
      if (value <= 40) return '<= 40'
      if (value <= 50) return '41-50'
      return value <= 90 ? '51-90' : value <= 110 ? '91-110' : value <= 130 ? '111-130' : '>= 131'
    case Parameter.Consciousness:
      return value == 0x41 ? 'Alert' : 'C V P U'
    default:
      if (value <= 350) return '<= 35.0'
      if (value <= 360) return '35.1-36.0'
      return value <= 380 ? '36.1-38.0' : value <= 390 ? '38.1-39.0' : '>= 39.1'
  }
}

function saturationBand(percent: i32, isScale2: bool, onOxygen: bool): string {
  if (!isScale2)
    return percent <= 91 ? '<= 91' : percent <= 93 ? '92-93' : percent <= 95 ? '94-95' : '>= 96'
  if (percent <= 83) return 'scale 2: <= 83'
  if (percent <= 85) return 'scale 2: 84-85'
  if (percent <= 87) return 'scale 2: 86-87'
  if (percent <= 92) return 'scale 2: 88-92'
  if (!onOxygen) return 'scale 2: >= 93 on air'
  return percent <= 94
    ? 'scale 2: 93-94 on oxygen'
    : percent <= 96
      ? 'scale 2: 95-96 on oxygen'
      : 'scale 2: >= 97 on oxygen'
}
