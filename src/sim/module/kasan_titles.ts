// What KASAN reported, out of a log.

const TITLE = /^BUG: KASAN: (.*)$/

/** Kind and place of the mistake that a line of a log names; null for another line. */
export function kasanTitle(line: string): string | null {
  return TITLE.exec(line)?.[1] ?? null
}

/** The same of all lines. */
export function kasanTitles(log: readonly string[]): string[] {
  return log.map(kasanTitle).filter(title => title !== null)
}
