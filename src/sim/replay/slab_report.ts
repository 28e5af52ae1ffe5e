// What a replay of slab events says: plain data. Sizes are bytes, slabs are counted, `pages` are pages; null = no file or
// event tells.

/** A cache over the trace. */
export interface SlabCacheReport {
  readonly name: string
  readonly objectSize: number
  readonly objectsPerSlab: number
  readonly pagesPerSlab: number
  /** As /proc/slabinfo shows them: when the trace began, when it ended, and what the twin came to. */
  readonly before: SlabCount
  readonly after: SlabCount | null
  readonly predicted: SlabCount
  /** Events of the trace. */
  readonly allocations: number
  readonly frees: number
  /** Objects that changed hands without an event: bulk calls have none. */
  readonly unseen: number
  /** Of objects that the trace allocated and that are in use at the end: bytes given but not asked for. */
  readonly wasteInside: number
  /** Of the twin at the end: bytes of free objects, and of the rest of slabs. */
  readonly wasteOutside: number
}

export interface SlabCount {
  readonly slabs: number
  readonly objects: number
  /** In use, or on a list of a CPU. */
  readonly active: number
}

/** Who asked for objects. */
export interface SlabCallSite {
  readonly name: string
  readonly cache: string
  readonly allocations: number
  readonly bytesAsked: number
  readonly bytesGiven: number
  /** Bytes given and still in use at the end. */
  readonly live: number
}

export interface SlabReport {
  /** Events of objects between the two snapshots. */
  readonly events: number
  readonly allocations: number
  readonly frees: number
  /** Objects whose allocation or release has no event (bulk calls), and events whose cache nothing tells. */
  readonly unseen: number
  readonly unidentified: number
  /** Requests that the page allocator served, above the largest cache of kmalloc. */
  readonly largeAllocations: number
  /** Whether pointers are addresses, so that the objects of a slab are known; else they only tell objects apart. */
  readonly pointers: 'addresses' | 'hashed'
  /** Pages of all slabs, recorded: by /proc/slabinfo, by /proc/meminfo, by following the trace's page events; and the
   * twin's. */
  readonly pages: {
    readonly before: number
    readonly after: number | null
    readonly meminfoBefore: number | null
    readonly meminfoAfter: number | null
    /** `before` and what page events of slabs add to it. */
    readonly followed: number
    readonly predicted: number
    /** Pages that slabs were given and gave back, as recorded and by the twin. */
    readonly recordedTaken: number
    readonly recordedReturned: number
    readonly predictedTaken: number
    readonly predictedReturned: number
  }
  /** Caches with events or with a difference, those that changed most first. */
  readonly caches: readonly SlabCacheReport[]
  /** Caches with as many slabs as recorded at the end, of all in /proc/slabinfo. */
  readonly exactCaches: number
  readonly allCaches: number
  readonly callSites: readonly SlabCallSite[]
  readonly series: {
    readonly time: readonly number[]
    readonly recordedPages: readonly number[]
    readonly predictedPages: readonly number[]
    readonly wasteInside: readonly number[]
    readonly wasteOutside: readonly number[]
    /** The caches with most events: pages of their slabs and objects in use, of the twin. */
    readonly caches: readonly {
      readonly name: string
      readonly pages: readonly number[]
      readonly objects: readonly number[]
    }[]
  }
}
