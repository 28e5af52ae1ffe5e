// A slow and obvious page allocator, written from the rules in words (facts 1-11 that the recordings of 6.1 showed),
// with plain arrays and Maps and no eye on speed. It exists to be compared with the fast one.
// One node; zones in the order of addresses; lists are arrays, head first. Small orders (0-3) and huge pages go through
// the per-CPU lists. Not in here: NUMA, CMA, isolation, requests that may not fail.

export interface ReferenceZone {
  readonly name: string
  /** Position among the kernel's zone types. */
  readonly type: number
  readonly start: number
  readonly end: number
  readonly marks: readonly [min: number, low: number, high: number]
  /** Pages kept from a request, by the highest zone type that the request may use. */
  readonly reserve: readonly number[]
  /** Preferring this zone, a request avoids mixing migrate types at first. */
  readonly noFragment: boolean
}

export interface ReferenceMachine {
  readonly zones: readonly ReferenceZone[]
  readonly maxOrder: number
  /** Order of a pageblock, which is that of a huge page, too. */
  readonly blockOrder: number
  readonly cpus: number
  readonly batch: number
  readonly high: number
  /** A CPU's difference to a counter is folded when it is farther from 0 than this. */
  readonly threshold: number
  readonly boostFactor: number
}

const [UNMOVABLE, MOVABLE, RECLAIMABLE, HIGHATOMIC] = [0, 1, 2, 3] as const
const FALLBACKS: Readonly<Record<number, readonly number[]>> = {
  [UNMOVABLE]: [RECLAIMABLE, MOVABLE],
  [MOVABLE]: [RECLAIMABLE, UNMOVABLE],
  [RECLAIMABLE]: [UNMOVABLE, MOVABLE],
}

interface Waiting {
  pfn: number
  /** Migrate type that it goes back with. */
  type: number
}

interface PerCpu {
  /** 0-11: order × type; 12 huge and not movable; 13 huge and movable. */
  lists: Waiting[][]
  freeFactor: number
  /** Free pages that are not counted in the zone yet. */
  pending: number
}

class Zone {
  readonly facts: ReferenceZone
  /** free[order][type] = first frames. */
  readonly free: number[][][] = []
  readonly blockTypes = new Map<number, number>()
  readonly perCpu: PerCpu[] = []
  counted = 0
  boost = 0
  reserved = 0
  /** kswapd is to be woken because the watermarks were boosted. */
  wake = false

  constructor(facts: ReferenceZone) {
    this.facts = facts
  }

  get managed(): number {
    return this.facts.end - this.facts.start
  }
}

/** How a request goes about: what a mask means at some point of the way. */
interface Way {
  mark: 'min' | 'low' | 'none'
  noFragment: boolean
  minReserve: boolean
  nonBlock: boolean
  highAtomic: boolean
  kswapd: boolean
}

interface Request {
  cpu: number
  order: number
  type: number
  highest: number
  atomic: boolean
}

/** The allocator; its rules are methods, so that a test can break one. */
export class BuddyReference {
  readonly machine: ReferenceMachine
  readonly zones: Zone[]
  private readonly used = new Map<number, number>()

  constructor(machine: ReferenceMachine) {
    this.machine = machine
    this.zones = machine.zones.map(facts => this.boot(new Zone(facts)))
  }

  private boot(zone: Zone): Zone {
    const { maxOrder, blockOrder, cpus } = this.machine
    for (let order = 0; order <= maxOrder; order++) zone.free.push([[], [], [], []])
    for (let cpu = 0; cpu < cpus; cpu++)
      zone.perCpu.push({ lists: Array.from({ length: 14 }, () => []), freeFactor: 0, pending: 0 })
    for (let pfn = zone.facts.start; pfn < zone.facts.end; pfn += 2 ** blockOrder) this.setType(zone, pfn, MOVABLE)
    for (let pfn = zone.facts.start; pfn < zone.facts.end; pfn += 2 ** maxOrder)
      zone.free[maxOrder]![MOVABLE]!.push(pfn)
    zone.counted = zone.managed
    return zone
  }

  // ---- requests

  alloc(cpu: number, gfp: number, order: number): number {
    const has = (bit: number): boolean => (gfp & bit) !== 0
    const type = has(0x8) ? MOVABLE : has(0x10) ? RECLAIMABLE : UNMOVABLE
    const highest = has(0x4) ? 1 : has(0x8) && has(0x2) ? 3 : 2
    const request = { cpu, order, type, highest, atomic: has(0x200) && !has(0x400) }
    const kswapd = has(0x800)
    const preferred = this.zonesFor(request)[0]
    if (!preferred) return -1
    const quiet = { minReserve: false, nonBlock: false, highAtomic: false, kswapd }
    const fast: Way = { ...quiet, mark: 'low', noFragment: preferred.facts.noFragment }
    const nonBlock = !has(0x400) && !has(0x80000)
    const high = has(0x20)
    const slow: Way = {
      mark: 'min',
      noFragment: false,
      minReserve: high,
      nonBlock,
      highAtomic: nonBlock && high && order > 0,
      kswapd,
    }
    const reserves = has(0x20000) && !has(0x80000)
    const last: Way = reserves ? { ...quiet, mark: 'none', noFragment: false } : slow
    for (const [way, asked] of [
      [fast, { ...request, atomic: has(0x200) }],
      [slow, request],
      [last, request],
    ] as const) {
      const pfn = this.tryZones(asked, way)
      if (pfn >= 0) return pfn
    }
    return -1
  }

  private zonesFor({ highest }: Request): Zone[] {
    return this.zones.filter(zone => zone.facts.type <= highest).reverse()
  }

  private tryZones(request: Request, way: Way): number {
    for (const zone of this.zonesFor(request)) {
      if (!this.allows(zone, request, way)) continue
      const pfn = this.take(zone, request, way)
      if (way.kswapd) zone.wake = false
      if (pfn < 0) continue
      this.used.set(pfn, request.order)
      if (way.highAtomic) this.reserveHighAtomic(zone, pfn)
      return pfn
    }
    return way.noFragment ? this.tryZones(request, { ...way, noFragment: false }) : -1
  }

  // ---- watermarks: only what is counted in the zone counts

  private allows(zone: Zone, request: Request, way: Way): boolean {
    if (way.mark === 'none') return true
    const mark = zone.facts.marks[way.mark === 'min' ? 0 : 1]
    if (this.staysAbove(zone, request, way, mark + zone.boost)) return true
    const ignoresBoost = request.order === 0 && request.atomic && way.mark === 'min' && zone.boost > 0
    return ignoresBoost && this.staysAbove(zone, request, way, mark)
  }

  private staysAbove(zone: Zone, { order, highest }: Request, way: Way, mark: number): boolean {
    let min = mark
    if (way.minReserve) min -= Math.floor(min / 2)
    if (way.minReserve && way.nonBlock) min -= Math.floor(min / 4)
    const mayUseReserves = way.minReserve || way.nonBlock
    const unusable = 2 ** order - 1 + (mayUseReserves ? 0 : zone.reserved)
    if (zone.counted - unusable <= min + zone.facts.reserve[highest]!) return false
    if (order === 0) return true
    const types = way.highAtomic ? [0, 1, 2, 3] : [0, 1, 2]
    return zone.free.some((lists, size) => size >= order && types.some(type => lists[type]!.length > 0))
  }

  // ---- taking a block

  private throughPcp(order: number): boolean {
    return order <= 3 || order === this.machine.blockOrder
  }

  private take(zone: Zone, request: Request, way: Way): number {
    const { cpu, order, type } = request
    if (this.throughPcp(order)) {
      const pfn = this.takeFromPcp(zone, request, way)
      if (pfn >= 0) return pfn
    }
    let pfn = way.highAtomic ? this.smallest(zone, order, HIGHATOMIC) : -1
    if (pfn < 0) pfn = this.takeFromLists(zone, order, type, way)
    if (pfn < 0 && way.nonBlock) pfn = this.smallest(zone, order, HIGHATOMIC)
    if (pfn >= 0) this.count(zone, cpu, -(2 ** order))
    return pfn
  }

  private takeFromPcp(zone: Zone, { cpu, order, type }: Request, way: Way): number {
    const pcp = zone.perCpu[cpu]!
    const list = pcp.lists[this.listOf(order, type)]!
    pcp.freeFactor = Math.floor(pcp.freeFactor / 2)
    if (list.length === 0) {
      const { batch } = this.machine
      const blocks = batch > 1 ? Math.max(Math.floor(batch / 2 ** order), 2) : batch
      for (let i = 0; i < blocks; i++) {
        const pfn = this.takeFromLists(zone, order, type, way)
        if (pfn < 0) break
        list.push({ pfn, type })
      }
      this.count(zone, cpu, -list.length * 2 ** order)
    }
    return list.shift()?.pfn ?? -1
  }

  private listOf(order: number, type: number): number {
    return order <= 3 ? 3 * order + type : type === MOVABLE ? 13 : 12
  }

  private takeFromLists(zone: Zone, order: number, type: number, way: Way): number {
    const pfn = this.smallest(zone, order, type)
    if (pfn >= 0) return pfn
    return this.steal(zone, order, type, way) ? this.smallest(zone, order, type) : -1
  }

  /** First block of the smallest order that has one; upper halves go to the heads of their lists. */
  private smallest(zone: Zone, order: number, type: number): number {
    for (let size = order; size <= this.machine.maxOrder; size++) {
      const pfn = zone.free[size]![type]!.shift()
      if (pfn === undefined) continue
      for (let half = size - 1; half >= order; half--) zone.free[half]![type]!.unshift(pfn + 2 ** half)
      return pfn
    }
    return -1
  }

  // ---- migrate types

  private typeOf(zone: Zone, pfn: number): number {
    return zone.blockTypes.get(Math.floor(pfn / 2 ** this.machine.blockOrder))!
  }

  private setType(zone: Zone, pfn: number, type: number): void {
    zone.blockTypes.set(Math.floor(pfn / 2 ** this.machine.blockOrder), type)
  }

  /** Moves blocks of another type to the lists of `type`; false = there are none. */
  private steal(zone: Zone, order: number, type: number, way: Way): boolean {
    const { blockOrder } = this.machine
    const least = way.noFragment && order < blockOrder ? blockOrder : order
    const found = this.chooseVictim(zone, order, least, type)
    if (!found) return false
    const pfn = zone.free[found.size]![found.from]![0]!
    const old = this.typeOf(zone, pfn)
    if (old !== HIGHATOMIC && found.size >= blockOrder) {
      for (let at = pfn; at < pfn + 2 ** found.size; at += 2 ** blockOrder) this.setType(zone, at, type)
    } else if (old !== HIGHATOMIC) {
      this.boostAfterMixing(zone, way)
      if (this.mayTakeBlock(found.size, type)) {
        const free = this.moveBlock(zone, pfn, type)
        const alike = old === MOVABLE && type !== MOVABLE ? 2 ** blockOrder - free : 0
        if (free + alike >= 2 ** (blockOrder - 1)) this.setType(zone, pfn, type)
        return true
      }
    }
    this.moveFree(zone, pfn, found.size, type)
    return true
  }

  private chooseVictim(zone: Zone, order: number, least: number, type: number): { size: number; from: number } | null {
    const sizes = zone.free.map((_, size) => size)
    const fitting = (size: number): { size: number; from: number }[] =>
      FALLBACKS[type]!.filter(from => zone.free[size]![from]!.length > 0).map(from => ({ size, from }))
    const down = sizes.filter(size => size >= least).reverse()
    const largest = down.flatMap(fitting)[0]
    if (!largest) return null
    if (this.mayTakeBlock(largest.size, type) || largest.size <= order) return largest
    return sizes.filter(size => size >= order).flatMap(fitting)[0]!
  }

  private mayTakeBlock(size: number, type: number): boolean {
    return size >= Math.floor(this.machine.blockOrder / 2) || type !== MOVABLE
  }

  private boostAfterMixing(zone: Zone, way: Way): void {
    const pages = 2 ** this.machine.blockOrder
    const most = Math.floor((zone.facts.marks[2] * this.machine.boostFactor) / 10000)
    if (most === 0 || 4 * pages > zone.managed) return
    zone.boost = Math.min(zone.boost + pages, Math.max(pages, most))
    if (way.kswapd) zone.wake = true
  }

  /** All free blocks of a pageblock to the tails of the lists of `type`, lowest address first; returns their pages. */
  private moveBlock(zone: Zone, pfn: number, type: number): number {
    const pages = 2 ** this.machine.blockOrder
    const start = Math.floor(pfn / pages) * pages
    const blocks: [number, number][] = []
    zone.free.forEach((lists, size) => {
      for (const list of lists) for (const at of list) if (at >= start && at < start + pages) blocks.push([at, size])
    })
    for (const [at, size] of blocks.sort(([a], [b]) => a - b)) this.moveFree(zone, at, size, type)
    return blocks.reduce((sum, [, size]) => sum + 2 ** size, 0)
  }

  private moveFree(zone: Zone, pfn: number, size: number, type: number): void {
    this.remove(zone, pfn, size)
    zone.free[size]![type]!.push(pfn)
  }

  private remove(zone: Zone, pfn: number, size: number): void {
    for (const list of zone.free[size]!) if (list.includes(pfn)) list.splice(list.indexOf(pfn), 1)
  }

  private reserveHighAtomic(zone: Zone, pfn: number): void {
    const pages = 2 ** this.machine.blockOrder
    if (zone.reserved >= Math.floor(zone.managed / 100) + pages || this.typeOf(zone, pfn) >= HIGHATOMIC) return
    zone.reserved += pages
    this.setType(zone, pfn, HIGHATOMIC)
    this.moveBlock(zone, pfn, HIGHATOMIC)
  }

  // ---- giving a block back

  free(cpu: number, pfn: number, order: number): void {
    if (this.used.get(pfn) !== order) throw new RangeError(`reference: ${pfn} is not allocated with order ${order}`)
    this.used.delete(pfn)
    const zone = this.zones.find(({ facts }) => pfn >= facts.start && pfn < facts.end)!
    const type = this.typeOf(zone, pfn)
    if (!this.throughPcp(order)) {
      this.giveBack(zone, cpu, pfn, order, type)
      return
    }
    const pcp = zone.perCpu[cpu]!
    const index = this.listOf(order, type === HIGHATOMIC ? MOVABLE : type)
    pcp.lists[index]!.unshift({ pfn, type })
    const everything = pcp.freeFactor !== 0 && order >= 1 && order <= 3
    if (everything) this.emptyPcp(zone, cpu, this.waiting(pcp), index)
    else if (this.waiting(pcp) >= this.machine.high) this.emptyPcp(zone, cpu, this.surplus(pcp), index)
  }

  private waiting(pcp: PerCpu): number {
    return pcp.lists.reduce((sum, list, index) => sum + list.length * 2 ** this.orderOf(index), 0)
  }

  private orderOf(index: number): number {
    return index < 12 ? Math.floor(index / 3) : this.machine.blockOrder
  }

  private surplus(pcp: PerCpu): number {
    const { batch, high } = this.machine
    if (high < batch) return 1
    const wanted = batch * 2 ** pcp.freeFactor
    if (wanted < high - batch && pcp.freeFactor < 5) pcp.freeFactor++
    return Math.min(Math.max(wanted, batch), high - batch)
  }

  /** One list after the other, each from its tail until it is empty. */
  private emptyPcp(zone: Zone, cpu: number, pages: number, first: number): void {
    const pcp = zone.perCpu[cpu]!
    let left = Math.min(pages, this.waiting(pcp))
    for (let index = first; left > 0; index = (index + 1) % 14)
      while (left > 0 && pcp.lists[index]!.length > 0) {
        const { pfn, type } = pcp.lists[index]!.pop()!
        this.giveBack(zone, cpu, pfn, this.orderOf(index), type)
        left -= 2 ** this.orderOf(index)
      }
  }

  drain(cpu: number): void {
    for (const zone of this.zones) this.emptyPcp(zone, cpu, this.waiting(zone.perCpu[cpu]!), 0)
  }

  private giveBack(zone: Zone, cpu: number, freed: number, freedOrder: number, type: number): void {
    this.count(zone, cpu, 2 ** freedOrder)
    let [pfn, order] = [freed, freedOrder]
    for (;;) {
      const buddy = this.buddyOf(pfn, order)
      if (order === this.machine.maxOrder || !this.isFree(zone, buddy, order)) break
      if (!this.mayMerge(zone, buddy, order, type)) break
      this.remove(zone, buddy, order)
      pfn = Math.min(pfn, buddy)
      order++
    }
    const list = zone.free[order]![type]!
    if (this.mayMergeSoon(zone, pfn, order)) list.push(pfn)
    else list.unshift(pfn)
  }

  protected buddyOf(pfn: number, order: number): number {
    return Math.floor(pfn / 2 ** order) % 2 === 0 ? pfn + 2 ** order : pfn - 2 ** order
  }

  /** From the size of a pageblock on, blocks of types with a list of their own do not mix with others. */
  protected mayMerge(zone: Zone, buddy: number, order: number, type: number): boolean {
    if (order < this.machine.blockOrder) return true
    const other = this.typeOf(zone, buddy)
    return other === type || (other < HIGHATOMIC && type < HIGHATOMIC)
  }

  /** The buddy of the pair that this block belongs to is free: the block waits at the tail to be made whole. */
  protected mayMergeSoon(zone: Zone, pfn: number, order: number): boolean {
    if (order >= this.machine.maxOrder - 1) return false
    const pair = Math.min(pfn, this.buddyOf(pfn, order))
    return this.isFree(zone, this.buddyOf(pair, order + 1), order + 1)
  }

  protected isFree(zone: Zone, pfn: number, order: number): boolean {
    return zone.free[order]?.some(list => list.includes(pfn)) ?? false
  }

  private count(zone: Zone, cpu: number, pages: number): void {
    const pcp = zone.perCpu[cpu]!
    pcp.pending += pages
    if (Math.abs(pcp.pending) <= this.machine.threshold) return
    zone.counted += pcp.pending
    pcp.pending = 0
  }

  // ---- what can be compared

  /** Everything that it holds, as text. */
  dump(): string {
    return this.zones.map(zone => this.dumpZone(zone)).join('\n')
  }

  private dumpZone(zone: Zone): string {
    const pages = 2 ** this.machine.blockOrder
    const types = Array.from({ length: zone.managed / pages }, (_, i) =>
      this.typeOf(zone, zone.facts.start + i * pages),
    )
    const lists = zone.free.flatMap((byType, order) => byType.flatMap(list => list.map(pfn => `${order}:${pfn}`)))
    const cpus = zone.perCpu.map(pcp => {
      const shown = pcp.lists.flatMap((list, index) =>
        list.length > 0 ? [`${this.orderOf(index)}:${list.map(({ pfn }) => pfn).join(',')}`] : [],
      )
      return `factor ${pcp.freeFactor} pending ${pcp.pending} lists ${shown.join(' ')}`
    })
    const head = `${zone.facts.name} counted ${zone.counted} boost ${zone.boost} wake ${zone.wake} reserved ${zone.reserved}`
    return [head, types.map(type => 'UMRH'[type]).join(''), lists.join(' '), ...cpus].join('\n  ')
  }
}
