// A bare buddy allocator (two zones, orders 0 … 10, no bookkeeping) in four designs: `node designs.mjs DESIGN` prints
// { ns, sum } of a mixed churn. All designs hand out the same frames in the same order: the sum is over them.
import { cpuSeconds, SEED } from '../workloads.mjs'

const FRAMES = 1 << 21
const ZONES = 2
const ORDERS = 11
const LIVE = 50_000
const OPS = 300_000
const BATCHES = 12

/** One set of columns; the head of zone z, order o is row FRAMES + z * ORDERS + o. */
function arena() {
  const link = new Int32Array(2 * (FRAMES + ZONES * ORDERS))
  const state = new Uint8Array(FRAMES)
  const masks = new Int32Array(ZONES)
  const sys = { link, state, masks }
  for (let head = FRAMES; head < FRAMES + ZONES * ORDERS; head++) link[2 * head] = link[2 * head + 1] = head
  return {
    alloc: (zone, order) => arenaAlloc(sys, zone, order),
    free: (pfn, zone, order) => arenaFree(sys, pfn, zone, order),
  }
}

function arenaPut(sys, pfn, zone, order) {
  const { link, state, masks } = sys
  const head = FRAMES + zone * ORDERS + order
  const next = link[2 * head]
  link[2 * pfn] = next
  link[2 * pfn + 1] = head
  link[2 * next + 1] = pfn
  link[2 * head] = pfn
  state[pfn] = order + 1
  masks[zone] |= 1 << order
}

function arenaTake(sys, pfn, zone, order) {
  const { link, state, masks } = sys
  const next = link[2 * pfn]
  const prev = link[2 * pfn + 1]
  link[2 * next + 1] = prev
  link[2 * prev] = next
  state[pfn] = 0
  if (next === prev) masks[zone] &= ~(1 << order)
}

function arenaAlloc(sys, zone, order) {
  const orders = sys.masks[zone] & (-1 << order)
  if (orders === 0) return -1
  let current = 31 - Math.clz32(orders & -orders)
  const pfn = sys.link[2 * (FRAMES + zone * ORDERS + current)]
  arenaTake(sys, pfn, zone, current)
  while (current > order) arenaPut(sys, pfn + (1 << --current), zone, current)
  return pfn
}

function arenaFree(sys, pfn, zone, order) {
  for (; order < ORDERS - 1; order++) {
    const buddy = pfn ^ (1 << order)
    if (sys.state[buddy] !== order + 1) break
    arenaTake(sys, buddy, zone, order)
    pfn &= buddy
  }
  arenaPut(sys, pfn, zone, order)
}

/** The columns of a zone, its heads behind all frames. */
function zoneColumns() {
  const link = new Int32Array(2 * (FRAMES + ORDERS))
  for (let head = FRAMES; head < FRAMES + ORDERS; head++) link[2 * head] = link[2 * head + 1] = head
  return { link, state: new Uint8Array(FRAMES), mask: 0 }
}

function zonePut(zone, pfn, order) {
  const { link } = zone
  const head = FRAMES + order
  const next = link[2 * head]
  link[2 * pfn] = next
  link[2 * pfn + 1] = head
  link[2 * next + 1] = pfn
  link[2 * head] = pfn
  zone.state[pfn] = order + 1
  zone.mask |= 1 << order
}

function zoneTake(zone, pfn, order) {
  const { link } = zone
  const next = link[2 * pfn]
  const prev = link[2 * pfn + 1]
  link[2 * next + 1] = prev
  link[2 * prev] = next
  zone.state[pfn] = 0
  if (next === prev) zone.mask &= ~(1 << order)
}

function zoneAlloc(zone, order) {
  const orders = zone.mask & (-1 << order)
  if (orders === 0) return -1
  let current = 31 - Math.clz32(orders & -orders)
  const pfn = zone.link[2 * (FRAMES + current)]
  zoneTake(zone, pfn, current)
  while (current > order) zonePut(zone, pfn + (1 << --current), current)
  return pfn
}

function zoneFree(zone, pfn, order) {
  for (; order < ORDERS - 1; order++) {
    const buddy = pfn ^ (1 << order)
    if (zone.state[buddy] !== order + 1) break
    zoneTake(zone, buddy, order)
    pfn &= buddy
  }
  zonePut(zone, pfn, order)
}

function zones() {
  const all = Array.from({ length: ZONES }, zoneColumns)
  return {
    alloc: (zone, order) => zoneAlloc(all[zone], order),
    free: (pfn, zone, order) => zoneFree(all[zone], pfn, order),
  }
}

/** A zone as a closure: its columns are the variables of a function. */
function closure() {
  const { link, state } = zoneColumns()
  let mask = 0
  const put = (pfn, order) => {
    const head = FRAMES + order
    const next = link[2 * head]
    link[2 * pfn] = next
    link[2 * pfn + 1] = head
    link[2 * next + 1] = pfn
    link[2 * head] = pfn
    state[pfn] = order + 1
    mask |= 1 << order
  }
  const take = (pfn, order) => {
    const next = link[2 * pfn]
    const prev = link[2 * pfn + 1]
    link[2 * next + 1] = prev
    link[2 * prev] = next
    state[pfn] = 0
    if (next === prev) mask &= ~(1 << order)
  }
  const alloc = order => {
    const orders = mask & (-1 << order)
    if (orders === 0) return -1
    let current = 31 - Math.clz32(orders & -orders)
    const pfn = link[2 * (FRAMES + current)]
    take(pfn, current)
    while (current > order) put(pfn + (1 << --current), current)
    return pfn
  }
  const free = (pfn, order) => {
    for (; order < ORDERS - 1; order++) {
      const buddy = pfn ^ (1 << order)
      if (state[buddy] !== order + 1) break
      take(buddy, order)
      pfn &= buddy
    }
    put(pfn, order)
  }
  return { alloc, free }
}

function closures() {
  const all = Array.from({ length: ZONES }, closure)
  return { alloc: (zone, order) => all[zone].alloc(order), free: (pfn, zone, order) => all[zone].free(pfn, order) }
}

/** An object per page with references to its neighbours. */
class Page {
  constructor(pfn) {
    this.pfn = pfn
    this.state = 0
    this.next = this
    this.prev = this
  }
}

function objectPut(sys, page, zone, order) {
  const head = sys.heads[zone * ORDERS + order]
  page.next = head.next
  page.prev = head
  head.next.prev = page
  head.next = page
  page.state = order + 1
}

function objectTake(page) {
  page.next.prev = page.prev
  page.prev.next = page.next
  page.state = 0
}

function objectAlloc(sys, zone, order) {
  let current = order
  let head = sys.heads[zone * ORDERS + current]
  while (head.next === head) {
    if (++current === ORDERS) return -1
    head = sys.heads[zone * ORDERS + current]
  }
  const page = head.next
  objectTake(page)
  while (current > order) objectPut(sys, sys.pages[page.pfn + (1 << --current)], zone, current)
  return page.pfn
}

function objectFree(sys, pfn, zone, order) {
  for (; order < ORDERS - 1; order++) {
    const buddy = sys.pages[pfn ^ (1 << order)]
    if (buddy.state !== order + 1) break
    objectTake(buddy)
    pfn &= buddy.pfn
  }
  objectPut(sys, sys.pages[pfn], zone, order)
}

function objects() {
  const sys = {
    pages: Array.from({ length: FRAMES }, (_, pfn) => new Page(pfn)),
    heads: Array.from({ length: ZONES * ORDERS }, () => new Page(-1)),
  }
  return {
    alloc: (zone, order) => objectAlloc(sys, zone, order),
    free: (pfn, zone, order) => objectFree(sys, pfn, zone, order),
  }
}

const { alloc, free } = { arena, zones, closures, objects }[process.argv[2]]()
for (let pfn = FRAMES - 1024; pfn >= 0; pfn -= 1024) free(pfn, pfn < FRAMES / 2 ? 0 : 1, ORDERS - 1)
const slots = new Int32Array(LIVE)
const kinds = new Uint8Array(LIVE)
for (let i = 0; i < LIVE; i++) slots[i] = alloc(0, 0)
let x = SEED
let sum = 0
let best = Infinity
for (let batch = 0; batch < BATCHES; batch++) {
  const start = cpuSeconds()
  for (let i = 0; i < OPS; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    const at = (x >>> 1) % LIVE
    if (slots[at] >= 0) free(slots[at], kinds[at] & 1, kinds[at] >> 1)
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    const bits = (x >>> 8) | 1024
    const order = 31 - Math.clz32(bits & -bits)
    kinds[at] = (order << 1) | (x & 1)
    slots[at] = alloc(x & 1, order)
    sum = Math.imul(sum ^ slots[at], 0x01000193)
  }
  best = Math.min(best, cpuSeconds() - start)
}
console.log(JSON.stringify({ ns: (best / OPS) * 1e9, sum: sum >>> 0 }))
