// Messages of our own in the manner of three kinds of senders, so that the tests have input where the
// shared samples are absent. Names and numbers are invented.

/** A bedside monitor, IHE PCD-01: MDC codes, containment in OBX-4, EUI-64 in OBX-18, NE|AL. */
export const pcdMonitor = [
  'MSH|^~\\&|MONITOR^00AABB0000112233^EUI-64|ICU|||20261122101530+0000||ORU^R01^ORU_R01|PCD-7|P|2.6|||NE|AL|||||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO',
  'PID|1||4711^^^HOSPITAL^PI||Sommer^Ada^^^^^L||19800229|F',
  'PV1|1|I|ICU^^BED 3',
  'OBR|1|VITALS-7^MONITOR|VITALS-7^MONITOR|182777000^monitoring of patient^SCT|||20261122101500+0000',
  'OBX|1|NM|150021^MDC_PRESS_BLD_NONINV_SYS^MDC|1.1.9.1|80|266016^MDC_DIM_MMHG^MDC|||||R|||20261122101502.500+0000||||MON^^00AABB0000112233^EUI-64',
  'OBX|2|NM|150022^MDC_PRESS_BLD_NONINV_DIA^MDC|1.1.9.2|60|266016^MDC_DIM_MMHG^MDC|||||R|||20261122101502.500+0000||||MON^^00AABB0000112233^EUI-64',
  'OBX|3|NM|150344^MDC_TEMP^MDC|1.2.1.1|101.5|266560^MDC_DIM_FAHR^MDC|||||R|||||||MON^^00AABB0000112233^EUI-64',
  'OBX|4|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.1||262688^MDC_DIM_PERCENT^MDC|||||X|||||||MON^^00AABB0000112233^EUI-64',
  '',
].join('\r')

/**
 * A laboratory of an older version: local codes beside LOINC, CRLF, a comment, a Z segment, a time without
 * offset.
 */
export const oldLaboratory = [
  'MSH|^~\\&|LABSYS|HOSP|||202611221120||ORU^R01|LAB000042|P|2.3',
  'PID|1||4711||SOMMER^ADA||DOB|SEX',
  'OBR|1|ORD9|F77|LAC^Lactate|||202611221015|||||||||||||||||F',
  'OBX|1|NM|LAC^Lactate^LAB^2524-7^Lactate^LN||02.04|CD:289^mmol/L|0.5-2.0|H|||F',
  'NTE|1|L|checked \\T\\ repeated',
  'ZLB|1|anything',
  '',
].join('\r\n')

/** An admission office that writes ISO 8859-1: encode each character as one byte. */
export const latinAdmission = [
  'MSH|^~\\&|ADT|HOSP|||20261122090000+0100||ADT^A01|A-1|P|2.4||||||8859/1',
  'EVN|A01|20261122090000',
  'PID|1||4711^^^HOSPITAL^PI||M\xfcller^Ren\xe9e||19800229|F',
  'PV1|1|I|4 WEST^412^A||||||||||||||||V\\T\\1',
  '',
].join('\r')
