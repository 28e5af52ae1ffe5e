// Which lines of a kernel's log say that it was used wrongly, or is damaged. What cannot be served for want of memory or
// addresses is no complaint: the caller gets NULL, and the report of it is for information.

const COMPLAINT = [
  /^BUG\b|^kernel BUG at |^Kernel panic - |^Unable to handle |^INFO: /,
  /^WARNING: (at |CPU: \d+ PID: \d+ at \S+ \S+: )|^------------\[ cut here \]------------$/,
  /^slab error in |^Slab corruption|^slab: |^SLUB:? .* counted but counter/,
  /^Unexpected gfp: |^low stack detected|^Single bit error|^initcall .* returned with /,
  /^kmem_cache_create_usercopy\(.*\) failed with error -22$/,
]

/** The line that says it: of a warning the one behind the cut; KASAN's reports are told by themselves. */
export function complaintsIn(log: readonly string[]): string[] {
  return log.flatMap((line, at) => {
    if (!isComplaint(line) || line.startsWith('BUG: KASAN')) return []
    return line.endsWith('[ cut here ]------------') ? log.slice(at + 1, at + 2) : [line]
  })
}

/** Whether a line begins a complaint. */
export function isComplaint(line: string): boolean {
  return COMPLAINT.some(pattern => pattern.test(line))
}
