// Huge pages of which a part is not mapped any more: they wait here until somebody needs memory, and are then split, so
// that the part can go. Law: a page on the list has a bit in its first tail; the list's links are in the private columns
// of the tails that follow: next and previous, head + 1.
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { vm_event } from './vmstat_item.ts'

const THP_DEFERRED_SPLIT_PAGE: number = vm_event('thp_deferred_split_page')
const QUEUED: number = PG.private_2
const NEXT = 2
const PREV = 3

/** Notes a huge page. @kernel mm/huge_memory.c:deferred_split_huge_page */
export function deferred_split_huge_page(sys: Sys, head: number): void {
  const { flags, private: link } = sys.page
  if ((flags[head + 1]! & QUEUED) !== 0) return
  flags[head + 1]! |= QUEUED
  const first = sys.vm_state.deferred_split[0]!
  link[head + NEXT] = first
  link[head + PREV] = 0
  if (first !== 0) link[first - 1 + PREV] = head + 1
  sys.vm_state.deferred_split[0] = head + 1
  sys.vm_event.count[THP_DEFERRED_SPLIT_PAGE]! += 1
}

/** A huge page that is freed or split waits no more. @kernel mm/huge_memory.c:free_transhuge_page */
export function deferred_split_del(sys: Sys, head: number): void {
  const { flags, private: link } = sys.page
  if ((flags[head + 1]! & QUEUED) === 0) return
  flags[head + 1]! &= ~QUEUED
  const [next, prev] = [link[head + NEXT]!, link[head + PREV]!]
  if (prev === 0) sys.vm_state.deferred_split[0] = next
  else link[prev - 1 + NEXT] = next
  if (next !== 0) link[next - 1 + PREV] = prev
  link[head + NEXT] = link[head + PREV] = 0
}
