// Which cache an object belongs to. kmalloc's caches follow from the size and the mask; the event of kmem_cache_alloc does not
// name its cache, but that of kmem_cache_free does (since 5.13), and one call site asks one cache. What no free names is found
// by its size, and by the name of the function that asks. Law: a cache is its row in /proc/slabinfo; -1 = unknown.
import { __GFP_ACCOUNT, __GFP_DMA, __GFP_RECLAIMABLE } from '../../mm/gfp.ts'
import type { SlabinfoCache } from '../../report/proc/slabinfo.ts'
import type { StringTable } from '../../trace/batch.ts'

/** Call sites × sizes that are told apart. */
const MOST_KEYS = 1 << 16

export class SlabNames {
  readonly caches: readonly SlabinfoCache[]
  readonly #byName: ReadonlyMap<string, number>
  /** Caches by size, those of kmalloc left out. */
  readonly #bySize: ReadonlyMap<number, readonly number[]>
  readonly #strings: StringTable
  /** Rows by number of a string; undefined = not looked up yet. */
  readonly #byString: (number | undefined)[] = []
  readonly #keys: Map<number, number> = new Map()
  /** By key: votes of caches. */
  readonly #votes: Map<number, number>[] = []
  readonly #sizes: number[] = []
  readonly #sites: number[] = []
  readonly #kmalloc: Map<number, number> = new Map()

  constructor(caches: readonly SlabinfoCache[], strings: StringTable) {
    this.caches = caches
    this.#strings = strings
    this.#byName = new Map(caches.map(({ name }, row) => [name, row]))
    const sizes = new Map<number, number[]>()
    for (const [row, { name, objectSize }] of caches.entries())
      if (!/kmalloc-/.test(name)) sizes.set(objectSize, [...(sizes.get(objectSize) ?? []), row])
    this.#bySize = sizes
  }

  /** The cache of a name's number in the table of strings. */
  named(text: number): number {
    if (text < 0) return -1
    return (this.#byString[text] ??= this.#byName.get(this.#strings.get(text)) ?? -1)
  }

  /** The cache of kmalloc that gives so many bytes; -1 for what is larger than all of them.
   * @kernel include/linux/slab.h:kmalloc_type */
  kmalloc(size: number, gfp: number): number {
    const kind = (gfp & __GFP_DMA) !== 0 ? 1 : (gfp & __GFP_RECLAIMABLE) !== 0 ? 2 : (gfp & __GFP_ACCOUNT) !== 0 ? 3 : 0
    const known = this.#kmalloc.get(size * 4 + kind)
    if (known !== undefined) return known
    const row = this.#kmallocRow(size, kind)
    if (this.#kmalloc.size < MOST_KEYS) this.#kmalloc.set(size * 4 + kind, row)
    return row
  }

  #kmallocRow(size: number, kind: number): number {
    const text = size >= 1024 && size % 1024 === 0 ? `${size / 1024}k` : `${size}`
    const prefix = ['kmalloc-', 'dma-kmalloc-', 'kmalloc-rcl-', 'kmalloc-cg-'][kind]!
    return this.#byName.get(prefix + text) ?? this.#byName.get(`kmalloc-${text}`) ?? -1
  }

  /** Number of a call site that asks for so many bytes of an object of a cache that it does not name; -1 = too many. */
  key(site: number, size: number): number {
    const packed = site * 2 ** 20 + size
    const known = this.#keys.get(packed)
    if (known !== undefined) return known
    if (this.#votes.length === MOST_KEYS) return -1
    this.#keys.set(packed, this.#votes.length)
    this.#sizes.push(size)
    this.#sites.push(site)
    return this.#votes.push(new Map()) - 1
  }

  /** A free named the cache of an object that such a call site got. */
  vote(key: number, cache: number): void {
    const votes = this.#votes[key]
    if (votes && cache >= 0) votes.set(cache, (votes.get(cache) ?? 0) + 1)
  }

  /** The cache that a call site asks. */
  cacheOf(key: number): number {
    const votes = this.#votes[key]
    if (!votes) return -1
    let [best, most] = [-1, 0]
    for (const [cache, count] of votes) if (count > most) [best, most] = [cache, count]
    return best >= 0 ? best : this.#bySizeAndSite(key)
  }

  /** The only cache of that size, or the only one whose name is in that of the function that asks. */
  #bySizeAndSite(key: number): number {
    const fitting = this.#bySize.get(this.#sizes[key]!) ?? []
    if (fitting.length === 1) return fitting[0]!
    const site = this.#strings.get(this.#sites[key]!)
    const named = fitting.filter(row => site.includes(this.caches[row]!.name))
    return named.length === 1 ? named[0]! : -1
  }
}
