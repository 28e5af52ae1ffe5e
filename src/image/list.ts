// list_head on columns. `link` holds two indexes a row, next at 2i and prev at 2i + 1. Rows below the number of frames
// are the frames' own links, rows above are list heads; a list is circular through its head, an empty head points to
// itself. Rows of frames that are on no list hold whatever was there last: who asks must know from another column.

/** Makes `head` an empty list. */
export function INIT_LIST_HEAD(link: Int32Array, head: number): void {
  link[2 * head] = head
  link[2 * head + 1] = head
}

export function list_empty(link: Int32Array, head: number): boolean {
  return link[2 * head] === head
}

/** Inserts `entry` right behind the head. */
export function list_add(link: Int32Array, entry: number, head: number): void {
  const next = link[2 * head]!
  link[2 * entry] = next
  link[2 * entry + 1] = head
  link[2 * next + 1] = entry
  link[2 * head] = entry
}

/** Inserts `entry` at the list's end. */
export function list_add_tail(link: Int32Array, entry: number, head: number): void {
  const prev = link[2 * head + 1]!
  link[2 * entry] = head
  link[2 * entry + 1] = prev
  link[2 * prev] = entry
  link[2 * head + 1] = entry
}

export function list_del(link: Int32Array, entry: number): void {
  const next = link[2 * entry]!
  const prev = link[2 * entry + 1]!
  link[2 * next + 1] = prev
  link[2 * prev] = next
}

/** The entries from head to tail; for tests, /proc files and whoever looks, not for hot paths. */
export function list_entries(link: Int32Array, head: number): number[] {
  const entries: number[] = []
  for (let entry = link[2 * head]!; entry !== head; entry = link[2 * entry]!) entries.push(entry)
  return entries
}

/** Where a list is not one: the first entry whose successor does not point back to it; -1 = the list is sound. A walk
 * over a sound list comes back to its head. */
export function list_fault(link: Int32Array, head: number): number {
  for (let entry = head; ; ) {
    const next = link[2 * entry]!
    if (link[2 * next + 1] !== entry) return entry
    if (next === head) return -1
    entry = next
  }
}
