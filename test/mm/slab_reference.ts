// SLAB told plainly: arrays of objects, nothing fast, no bytes. One node, any number of CPUs, one cache.

/** A slab; `pfn` is whatever frame the machine gave it. */
export interface RefSlab {
  pfn: number
  colour: number
  /** Numbers of free objects, the next one first. */
  free: number[]
}

export interface RefObject {
  readonly slab: RefSlab
  readonly index: number
}

/** An array cache: the last object goes out first. */
interface RefArray {
  readonly limit: number
  objects: RefObject[]
  touched: boolean
}

export interface RefCache {
  readonly num: number
  readonly colours: number
  readonly limit: number
  readonly batch: number
  readonly sharedLimit: number
  readonly cpus: number
}

export class SlabReference {
  readonly cache: RefCache
  readonly arrays: RefArray[]
  readonly shared: RefArray | null
  partial: RefSlab[] = []
  full: RefSlab[] = []
  empty: RefSlab[] = []
  colour = 0
  looked = false

  constructor(cache: RefCache) {
    this.cache = cache
    const array = (limit: number): RefArray => ({ limit, objects: [], touched: false })
    this.arrays = Array.from({ length: cache.cpus }, () => array(cache.limit))
    this.shared = cache.sharedLimit > 0 ? array(cache.sharedLimit) : null
  }

  get freeLimit(): number {
    return (1 + this.cache.cpus) * this.cache.batch + this.cache.num
  }

  get freeObjects(): number {
    return [...this.partial, ...this.empty].reduce((sum, slab) => sum + slab.free.length, 0)
  }

  alloc(cpu: number): RefObject {
    const array = this.arrays[cpu]!
    if (array.objects.length === 0) this.refill(array)
    array.touched = true
    return array.objects.pop()!
  }

  private refill(array: RefArray): void {
    const batch = array.touched ? this.cache.batch : Math.min(this.cache.batch, 16)
    if (this.shared && this.shared.objects.length > 0) {
      array.objects.push(...this.shared.objects.splice(-Math.min(batch, this.shared.objects.length)))
      this.shared.touched = true
      return
    }
    if (this.freeObjects > 0) this.refillFromSlabs(array, batch)
    if (array.objects.length === 0) this.takeFrom(this.grow(), array, batch)
  }

  private refillFromSlabs(array: RefArray, batch: number): void {
    while (array.objects.length < batch) {
      if (this.partial.length === 0) this.looked = true
      const slab = this.partial.shift() ?? this.empty.shift()
      if (!slab) return
      this.takeFrom(slab, array, batch)
    }
  }

  /** Takes objects of a slab that is on no list, and puts it where it belongs. */
  private takeFrom(slab: RefSlab, array: RefArray, batch: number): void {
    while (slab.free.length > 0 && array.objects.length < batch) array.objects.push({ slab, index: slab.free.shift()! })
    if (slab.free.length === 0) this.full.unshift(slab)
    else this.partial.unshift(slab)
  }

  private grow(): RefSlab {
    this.colour = this.colour + 1 < this.cache.colours ? this.colour + 1 : 0
    return { pfn: -1, colour: this.colour, free: Array.from({ length: this.cache.num }, (_, index) => index) }
  }

  free(cpu: number, object: RefObject): void {
    const array = this.arrays[cpu]!
    if (array.objects.length === array.limit) this.flush(array)
    array.objects.push(object)
  }

  private flush(array: RefArray): void {
    const room = this.shared ? this.shared.limit - this.shared.objects.length : 0
    const oldest = array.objects.splice(0, room > 0 ? Math.min(room, this.cache.batch) : this.cache.batch)
    if (room > 0) this.shared!.objects.push(...oldest)
    else this.giveBack(oldest)
  }

  private giveBack(objects: readonly RefObject[]): void {
    for (const { slab, index } of objects) {
      for (const list of [this.partial, this.full]) if (list.includes(slab)) list.splice(list.indexOf(slab), 1)
      slab.free.unshift(index)
      if (slab.free.length === this.cache.num) this.empty.unshift(slab)
      else this.partial.push(slab)
    }
    while (this.empty.length > 0 && this.freeObjects > this.freeLimit) this.empty.pop()
  }

  shrink(): void {
    for (const array of this.shared ? [...this.arrays, this.shared] : this.arrays)
      this.giveBack(array.objects.splice(0))
    this.empty = []
  }

  /** The reaper, at a time when the node is due, too. */
  reap(cpu: number): void {
    this.reapArray(this.arrays[cpu]!)
    if (this.shared) this.reapArray(this.shared)
    if (!this.looked) {
      const slabs = Math.floor((this.freeLimit + 5 * this.cache.num - 1) / (5 * this.cache.num))
      this.empty.splice(-Math.min(slabs, this.empty.length), slabs)
    }
    this.looked = false
  }

  private reapArray(array: RefArray): void {
    const has = array.objects.length
    if (has > 0 && !array.touched) {
      const part = Math.floor((array.limit + 4) / 5)
      this.giveBack(array.objects.splice(0, part > has ? Math.floor((has + 1) / 2) : part))
    } else if (has > 0) array.touched = false
  }
}
