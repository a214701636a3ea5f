// Codes that the rules read: LOINC for observations, names of ours for findings (clinical reference,
// section 6).

export const TEMPERATURE = '8310-5'
export const SYSTOLIC = '8480-6'
export const DIASTOLIC = '8462-4'
export const MEAN_PRESSURE = '8478-0'
export const PULSE = '8867-4'
export const RESPIRATION = '9279-1'
export const SATURATION = '59408-5'
export const CONSCIOUSNESS = '80288-4'
export const OXYGEN_FLOW = '3151-8'

export const LACTATE = '2524-7'
/** Lactate in blood; either code counts. */
export const LACTATE_BLOOD = '32693-4'
export const LEUKOCYTES = '6690-2'
export const CREATININE = '2160-0'
export const BILIRUBIN = '1975-2'
export const PLATELETS = '777-3'

export const WOUND_ASSESSMENT = 'wound-assessment'
export const INFECTION_DIAGNOSIS = 'infection-diagnosis'
export const CULTURE_ORDERED = 'culture-ordered'
export const ANTIBIOTIC_STARTED = 'antibiotic-started'
export const POSITIVE_CULTURE = 'positive-culture'
/** A prescriber's record that SpO2 scale 2 applies; concept `withdrawn` ends it. Never inferred. */
export const SATURATION_SCALE_2 = 'spo2-scale-2'
