// Numbers and names as sentences say them.

/** `1552 kB`, `19.7 GB`; from 10 MB on in the unit that keeps three digits. */
export function size(kB: number): string {
  if (kB < 10_000) return `${Math.round(kB)} kB`
  return kB < 10_000_000 ? `${Math.round(kB / 102.4) / 10} MB` : `${Math.round(kB / 104857.6) / 10} GB`
}

/** `85 %`, and `99.6 %` where that is not all. */
export function percent(part: number, whole: number): string {
  const value = (100 * part) / whole
  return `${value > 99 && value < 100 ? Math.floor(value * 10) / 10 : Math.round(value)} %`
}

/** `1 page`, `3 pages`. */
export function count(value: number, noun: string): string {
  return `${value} ${noun}${value === 1 ? '' : 's'}`
}

/** `a, b and c`. */
export function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}
