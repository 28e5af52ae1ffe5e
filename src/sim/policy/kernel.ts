// The kernel's own policies: a small twin maps a file of all pages that a trace touches, read-only and shared, and every
// access is one of a process of the twin, by its page faults, page cache and reclaim. A miss is a major fault.
// The file is not read ahead: numbers of pages tell when they came first, not what lies beside them.
// Memory is limited as a memory control group limits it: the twin has frames to spare, so kswapd sleeps, but a page that
// must be read when the file has all its frames waits for direct reclaim, which frees 32 pages at a time. Law: the cached
// pages of the file are never more than the frames.
import { setup_address_space } from '../../arch/x86/setup_address_space.ts'
import { filemap_get_folio } from '../../mm/filemap.ts'
import { new_inode, open_inode } from '../../mm/files.ts'
import { mm_alloc, switch_to, task_alloc } from '../../mm/fork.ts'
import { GFP_HIGHUSER_MOVABLE } from '../../mm/gfp.ts'
import { lru_gen_change_state } from '../../mm/lru_gen_state.ts'
import { do_mmap } from '../../mm/mmap.ts'
import type { Sys } from '../../mm/mmzone.ts'
import { node_zonelist } from '../../mm/page_alloc/alloc_pages.ts'
import { lru_add_drain } from '../../mm/swap.ts'
import { INODE_REGULAR, MAP_SHARED, PROT_READ } from '../../mm/vm_flags.ts'
import { vm_init } from '../../mm/vm_init.ts'
import { find_vma } from '../../mm/vma.ts'
import { try_to_free_pages } from '../../mm/vmscan_direct.ts'
import { vm_event } from '../../mm/vmstat_item.ts'
import { boot_from_description } from '../boot.ts'
import { Toucher } from '../toucher.ts'
import type { Policy, PolicyKind } from './policy.ts'

/** Of both, so that they differ in their lists alone. */
const KERNEL = '6.12-x86_64'
/** Most frames, 16 GiB of them; every one costs the twin a row of its columns. */
const MAX_TWIN_FRAMES = 2 ** 22
/** Most pages: one takes 8 bytes of a page table and a slot of the page cache's tree. */
const MAX_TWIN_PAGES = 2 ** 25
/** Pages that the twin has for itself: 64 MiB. */
const SPARE_PAGES = 16384
/** How often reclaim is asked before it is given up. @kernel mm/vmscan.c:MAX_RECLAIM_RETRIES */
const RETRIES = 16
const PGMAJFAULT: number = vm_event('pgmajfault')
/** Switches of /sys/kernel/mm/lru_gen/enabled: all. */
const LRU_GEN_ALL = 7

/** What Linux does. */
export const kernelPolicies: readonly PolicyKind[] = [
  {
    name: 'linux',
    title: 'Linux',
    about: "from the kernel's inactive list what was not used; used pages go to the active one",
    create: frames => new TwinPolicy('linux', frames, 0),
  },
  {
    name: 'mglru',
    title: 'MGLRU',
    about: "from the oldest of the kernel's generations what was not used since it was aged",
    create: frames => new TwinPolicy('mglru', frames, LRU_GEN_ALL),
  },
]

/** A twin at work. The first `reserve` says how large its file is; more pages than that need another twin. */
export class TwinPolicy implements Policy {
  readonly #name: string
  readonly #frames: number
  readonly #lruGen: number
  #pages = 0
  #sys: Sys | null = null
  #inode = 0
  #toucher: Toucher | null = null

  constructor(name: string, frames: number, lruGen: number) {
    if (frames > MAX_TWIN_FRAMES)
      throw new RangeError(`${name}: a twin with ${frames} frames is too large: ${MAX_TWIN_FRAMES} can be`)
    this.#name = name
    this.#frames = frames
    this.#lruGen = lruGen
  }

  /** The machine, once pages were reserved. */
  get sys(): Sys | null {
    return this.#sys
  }

  reserve(pages: number): void {
    if (pages <= this.#pages) return
    if (this.#sys !== null)
      throw new RangeError(`${this.#name}: the twin's file has ${this.#pages} pages and cannot grow to ${pages}`)
    if (pages > MAX_TWIN_PAGES)
      throw new RangeError(`${this.#name}: a file of ${pages} pages is too large: ${MAX_TWIN_PAGES} can be`)
    this.#pages = pages
    const sys = bootTwin(Math.min(this.#frames, pages), pages)
    lru_gen_change_state(sys, this.#lruGen)
    this.#inode = new_inode(sys, INODE_REGULAR, 'trace', pages * sys.page_bytes)
    this.#toucher = new Toucher(sys, mapFile(sys, this.#inode, pages), page => this.#charge(sys, page))
    this.#sys = sys
  }

  run(pages: Int32Array, from: number, to: number): number {
    const [sys, toucher] = [this.#sys, this.#toucher]
    if (sys === null || toucher === null) throw new RangeError(`${this.#name}: no pages were reserved`)
    const before = sys.vm_event.count[PGMAJFAULT]!
    for (let i = from; i < to; i++)
      if (!toucher.touch(pages[i]!, false)) throw new RangeError(`${this.#name}: the twin ran out of memory`)
    return sys.vm_event.count[PGMAJFAULT]! - before
  }

  residents(): number[] {
    const sys = this.#sys
    const pages: number[] = []
    if (sys === null) return pages
    for (let page = 0; page < this.#pages; page++) if (filemap_get_folio(sys, this.#inode, page) >= 0) pages.push(page)
    return pages
  }

  /** Makes room for a page that has to be read. @kernel mm/memcontrol.c:try_charge_memcg */
  #charge(sys: Sys, page: number): void {
    if (filemap_get_folio(sys, this.#inode, page) >= 0) return
    const zonelist = node_zonelist(sys, 0, GFP_HIGHUSER_MOVABLE)
    const nrpages = sys.inode.nrpages
    for (let turn = 0; nrpages[this.#inode]! >= this.#frames; turn++) {
      if (turn === RETRIES)
        throw new RangeError(`${this.#name}: of ${this.#frames} frames the kernel could free none: give it more`)
      const freed = try_to_free_pages(sys, zonelist, 0, GFP_HIGHUSER_MOVABLE, sys.ZONE_NORMAL, null)
      // All may still wait on the CPU's list of pages that came, when the frames are few.
      if (freed === 0) lru_add_drain(sys)
    }
  }
}

/** A machine with so many frames for pages of files, and as many as it needs for page tables and itself. */
function bootTwin(frames: number, pages: number): Sys {
  const tables = Math.ceil(pages / 512) + 64
  const memory = (SPARE_PAGES + Math.ceil(1.125 * (frames + tables))) * 4096
  const processes = { nr_tasks: 2, nr_inodes: 8, nr_xa_nodes: Math.ceil(pages / 60) + 64 }
  const sys = boot_from_description(
    { kernel: KERNEL, memory: Math.ceil(memory / 2 ** 20) * 2 ** 20 },
    { shared: false, framesWithBytes: tables + 1024, processes },
  )
  setup_address_space(sys)
  vm_init(sys)
  return sys
}

/** A process that has mapped the file: the row of its area. */
function mapFile(sys: Sys, inode: number, pages: number): number {
  const task = task_alloc(sys, 'trace')
  const mm = mm_alloc(sys, task)
  sys.task.mm[task] = mm
  switch_to(sys, task)
  const file = open_inode(sys, inode)
  sys.file.ra_pages[file] = 0
  const page = do_mmap(sys, mm, { pages, prot: PROT_READ, flags: MAP_SHARED, file })
  if (page < 0) throw new RangeError(`a file of ${pages} pages cannot be mapped: errno ${-page}`)
  return find_vma(sys, mm, page)
}
