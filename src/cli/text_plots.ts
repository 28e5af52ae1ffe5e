// Plots of one line for a terminal: bars and sparklines, in Unicode's blocks or in plain ASCII.
// Law: a plot is exactly as wide as asked; what is not zero is seen.

/** What a plot may be drawn with. */
export interface PlotStyle {
  readonly ascii: boolean
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']
const LEVELS = '▁▂▃▄▅▆▇█'
const ASCII_LEVELS = '_.-=+*#@'

/** Whether the environment (LC_ALL, LC_CTYPE, LANG; the first that is set decides) can show more than ASCII. */
export function wantsAscii(environment: Readonly<Record<string, string | undefined>>): boolean {
  const { LC_ALL, LC_CTYPE, LANG, TERM } = environment
  const locale = [LC_ALL, LC_CTYPE, LANG].find(value => value !== undefined && value !== '')
  return TERM === 'dumb' || (locale !== undefined && !/utf-?8/i.test(locale))
}

/** `share` (0 to 1) of `width` columns. */
export function bar(share: number, width: number, { ascii }: PlotStyle): string {
  const part = Math.max(0, Math.min(1, share)) * width
  const full = Math.floor(part)
  if (ascii) return '#'.repeat(Math.max(part > 0 ? 1 : 0, Math.round(part))).padEnd(width, '.')
  const rest = EIGHTHS[full === 0 && part > 0 ? Math.max(1, Math.floor(part * 8)) : Math.floor((part - full) * 8)]!
  return ('█'.repeat(full) + rest).padEnd(width)
}

/** The course of `values` in `width` columns (fewer where there are fewer values), each column the lowest of its part,
 * between `low` and `high`. */
export function sparkline(
  values: readonly number[],
  width: number,
  [low, high]: readonly [number, number],
  { ascii }: PlotStyle,
): string {
  const levels = ascii ? ASCII_LEVELS : LEVELS
  const columns = Math.min(width, values.length)
  const scale = high > low ? (levels.length - 1) / (high - low) : 0
  let text = ''
  for (let column = 0; column < columns; column++) {
    const from = Math.floor((column * values.length) / columns)
    const to = Math.floor(((column + 1) * values.length) / columns)
    let least = values[from]!
    for (let i = from + 1; i < to; i++) least = Math.min(least, values[i]!)
    text += levels[Math.max(0, Math.min(levels.length - 1, Math.round((least - low) * scale)))]
  }
  return text
}
