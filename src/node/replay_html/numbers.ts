// Figures for people: the same in the page and on the terminal, and independent of the reader's language settings.
// A number and its unit are never parted at the end of a line.
// Law: a share is 100 % only where nothing is missing, and 0 % only where there is nothing.

const NBSP = '\u00a0'
const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** With thousands set apart: `29,727`. */
export function integer(value: number): string {
  return GROUPED.format(value)
}

/** `part` of `whole` in percent, never rounded to an end that it does not reach. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return '–'
  if (part === whole) return `100${NBSP}%`
  if (part === 0) return `0${NBSP}%`
  const value = (part / whole) * 100
  if (value > 0 && value < 0.01) return `<${NBSP}0.01${NBSP}%`
  return `${value >= 99.99 && value < 100 ? '99.99' : value.toFixed(value < 10 || value > 99 ? 2 : 1)}${NBSP}%`
}

/** Bytes in the largest unit that leaves at least one: `14.9 MiB`, `4 KiB`. */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let left = value
  while (Math.abs(left) >= 1024 && unit < units.length - 1) {
    left /= 1024
    unit++
  }
  return `${Number.isInteger(left) || Math.abs(left) >= 100 ? Math.round(left) : left.toFixed(1)}${NBSP}${units[unit]}`
}

/** Seconds with as many digits as tell something: `93.4 s`. */
export function seconds(value: number): string {
  if (value >= 100) return `${value.toFixed(0)}${NBSP}s`
  return `${value.toFixed(value >= 10 ? 1 : 3)}${NBSP}s`
}

/** With its sign: `+3`, `−12`, `0`. */
export function signed(value: number): string {
  if (value === 0) return '0'
  return value > 0 ? `+${integer(value)}` : `−${integer(-value)}`
}

/** `1 page`, `2 pages`. */
export function count(value: number, one: string, many: string = `${one}s`): string {
  return `${integer(value)} ${value === 1 ? one : many}`
}
