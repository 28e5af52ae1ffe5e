// The laws of compressed memory, checked from scratch: zspages and their objects, pools' sums, zswap's list.

import { PAGE_USED } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { ZS_MAX_PAGES, ZSWAP_POOL } from './zsmalloc_tables.ts'

/** Adds what is broken. @ours */
export function zsmalloc_check(sys: Sys, broken: string[]): void {
  if (sys.zspage.inuse.length === 0) return
  const objects = new Int32Array(sys.zspage.inuse.length)
  slots_check(sys, objects, broken)
  zspages_check(sys, objects, broken)
  list_check(sys, broken)
}

/** Slots that are kept compressed, and the sums of their pools. */
function slots_check(sys: Sys, objects: Int32Array, broken: string[]): void {
  const { zpool, zspage, zsize, zhuge, count } = sys.swap_map
  const pools = sys.zs_pool
  const sums = Array.from({ length: ZSWAP_POOL + 1 }, () => ({ objects: 0, bytes: 0, same: 0, huge: 0 }))
  for (let row = 0; row < sys.swap_state.used[0]!; row++) {
    if (zpool[row] === 0) continue
    if (count[row] === 0) broken.push(`swap slot ${row}: free, but kept compressed`)
    const sum = sums[zpool[row]! - 1]!
    sum.objects++
    sum.bytes += zsize[row]!
    sum.huge += zhuge[row]!
    if (zspage[row]! < 0) sum.same++
    else objects[zspage[row]!]! += 1
  }
  for (const [pool, sum] of sums.entries())
    for (const name of ['objects', 'bytes', 'same', 'huge'] as const)
      if (sum[name] !== pools[name][pool])
        broken.push(`pool ${pool}: ${name} ${pools[name][pool]}, its slots have ${sum[name]}`)
}

function zspages_check(sys: Sys, objects: Int32Array, broken: string[]): void {
  const { inuse, pfn } = sys.zspage
  let pages = 0
  for (let row = 1; row <= sys.zswap_state.used[0]!; row++) {
    if (sys.zspage.class[row] === 0) continue
    if (inuse[row] !== objects[row]) broken.push(`zspage ${row}: inuse ${inuse[row]}, ${objects[row]} objects`)
    if (inuse[row] === 0) broken.push(`zspage ${row}: without objects`)
    for (let at = row * ZS_MAX_PAGES; at < (row + 1) * ZS_MAX_PAGES && pfn[at] !== 0; at++) {
      pages++
      if (sys.page.state[pfn[at]! - 1]! < PAGE_USED) broken.push(`zspage ${row}: its frame ${pfn[at]! - 1} is free`)
    }
  }
  const counted = sys.zs_pool.pages.reduce((sum, each) => sum + each, 0)
  if (counted !== pages) broken.push(`zspages: pools count ${counted} pages, there are ${pages}`)
}

/** What zswap stored, from the last to the first. */
function list_check(sys: Sys, broken: string[]): void {
  const { znext, zprev, zpool } = sys.swap_map
  const { head, tail } = sys.zswap_state
  let [before, found] = [0, 0]
  for (let at = head[0]!; at !== 0; at = znext[at - 1]!) {
    found++
    if (zprev[at - 1] !== before || zpool[at - 1] !== ZSWAP_POOL + 1 || found > zpool.length) {
      broken.push(`zswap's list is broken at swap slot ${at - 1}`)
      return
    }
    before = at
  }
  if (before !== tail[0]) broken.push(`zswap's list ends at ${before - 1}, its tail is ${tail[0]! - 1}`)
  if (found !== sys.zs_pool.objects[ZSWAP_POOL])
    broken.push(`zswap's list has ${found} pages, its pool ${sys.zs_pool.objects[ZSWAP_POOL]}`)
}
