// More memory is used than there is: pages go to swap and come back with their bytes, and nothing is lost when swap fails.
import { describe, expect, it } from 'vitest'
import { setup_address_space } from '../../src/arch/x86/setup_address_space.ts'
import { ACCESS_READ, ACCESS_WRITE, access } from '../../src/mm/access.ts'
import { check } from '../../src/mm/check.ts'
import { mm_alloc, switch_to, task_alloc } from '../../src/mm/fork.ts'
import { lru_gen_change_state } from '../../src/mm/lru_gen_state.ts'
import { do_mmap } from '../../src/mm/mmap.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { frame_bytes, frame_bytes_for_write } from '../../src/mm/physmem.ts'
import { pte_pfn } from '../../src/mm/pte.ts'
import { cond_resched } from '../../src/mm/reclaim_clock.ts'
import type { SwapStore } from '../../src/mm/swap_bytes.ts'
import { parse_swap_header, write_swap_header } from '../../src/mm/swap_header.ts'
import { EBUSY, EINVAL, swapoff, swapon } from '../../src/mm/swapfile.ts'
import { pte_lookup } from '../../src/mm/user_pgtable.ts'
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE, SIGBUS } from '../../src/mm/vm_flags.ts'
import { vm_init } from '../../src/mm/vm_init.ts'
import { vm_event } from '../../src/mm/vmstat_item.ts'
import { boot_from_description } from '../../src/sim/boot.ts'
import { FtraceWriter } from '../../src/trace/ftrace_writer.ts'
import { RecordRing } from '../../src/trace/record_ring.ts'

const SLOTS = 16384
const ANON = { prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS }

class Process {
  readonly sys: Sys
  readonly mm: number
  readonly base: number

  readonly pages: number

  constructor(
    kernel: string,
    pages: number,
    swap: Parameters<typeof swapon>[1] | null,
    store: SwapStore | null = null,
  ) {
    this.pages = pages
    this.sys = boot_from_description(
      { kernel, memory: '32M' },
      { shared: false, framesWithBytes: 40000, processes: { nr_tasks: 4, nr_swap_slots: 2 * SLOTS } },
    )
    setup_address_space(this.sys)
    vm_init(this.sys)
    const task = task_alloc(this.sys, 'hog')
    this.mm = mm_alloc(this.sys, task)
    this.sys.task.mm[task] = this.mm
    switch_to(this.sys, task)
    if (store !== null) this.sys.swap_stores = [store]
    if (swap !== null) swapon(this.sys, swap)
    this.base = do_mmap(this.sys, this.mm, { pages, ...ANON })
  }

  private frame(page: number): number {
    return pte_pfn(this.sys, pte_lookup(this.sys, this.sys.mm.pgd[this.mm]! - 1, this.base + page))
  }

  /** Touches a page: 0 or the signal. */
  touch(page: number, kind = ACCESS_READ): number {
    const signal = access(this.sys, this.base + page, kind)
    cond_resched(this.sys)
    return signal
  }

  write(page: number, value: number): void {
    if (this.touch(page, ACCESS_WRITE) !== 0) throw new Error(`page ${page}: a signal at a write`)
    access(this.sys, this.base + page, ACCESS_WRITE)
    this.sys.physmem.bytes[frame_bytes_for_write(this.sys, this.frame(page))] = value
  }

  read(page: number): number {
    if (this.touch(page) !== 0) throw new Error(`page ${page}: a signal at a read`)
    const at = frame_bytes(this.sys, this.frame(page))
    return at < 0 ? 0 : this.sys.physmem.bytes[at]!
  }

  /** Pages that do not hold what was written. */
  wrong(): number[] {
    const pages: number[] = []
    for (let page = 0; page < this.pages; page++) if (this.read(page) !== value(page)) pages.push(page)
    return pages
  }

  event(name: Parameters<typeof vm_event>[0]): number {
    return this.sys.vm_event.count[vm_event(name)]!
  }
}

const area = (path = '/swap', store = 0) => ({
  path,
  header: { version: 1, last_page: SLOTS - 1, badpages: [7] },
  pages: SLOTS,
  store,
})

const value = (page: number): number => (page * 7 + 1) & 0xff

describe.each([
  ['6.1-x86_64', 0],
  ['6.1-x86_64', 7],
  ['6.12-x86_64', 7],
  ['6.12-x86_64', 0],
  ['6.1-i386', 0],
] as const)('%s with lru_gen %i', (kernel, lruGen) => {
  it('swaps pages out and in, and swapoff brings all of them back', () => {
    const process = new Process(kernel, 8500, area())
    const { sys } = process
    lru_gen_change_state(sys, lruGen)
    for (let page = 0; page < process.pages; page++) process.write(page, value(page))
    expect(process.event('pswpout')).toBeGreaterThan(1000)
    expect(check(sys)).toEqual([])
    expect(process.wrong()).toEqual([])
    expect(process.event('pswpin')).toBeGreaterThan(1000)
    expect(process.event('pgsteal_kswapd')).toBeGreaterThan(0)
    expect(check(sys)).toEqual([])
  })
})

describe('swap areas', () => {
  it('are refused where they are none, too short, empty or in use', () => {
    const process = new Process('6.1-x86_64', 10, null)
    const { sys } = process
    const said: string[] = []
    sys.printk = line => said.push(line)
    const swaponPage = (bytes: Uint8Array): number => swapon(sys, { ...area(), header: parse_swap_header(bytes, 4096) })
    expect(swaponPage(new Uint8Array(4096))).toBe(-EINVAL)
    const page = write_swap_header(4096, 100, { badpages: [3] })
    page[1024] = 2
    expect(swaponPage(page)).toBe(-EINVAL)
    expect(swaponPage(write_swap_header(4096, 10, { badpages: [1, 2, 3, 4, 5, 6, 7, 8, 9] }))).toBe(-EINVAL)
    expect(swapon(sys, { ...area(), pages: 100 })).toBe(-EINVAL)
    expect(swapon(sys, { ...area(), header: { version: 1, last_page: 0, badpages: [] } })).toBe(-EINVAL)
    expect(swapon(sys, area())).toBe(0)
    expect(swapon(sys, area())).toBe(-EBUSY)
    expect(said).toEqual([
      'Unable to find swap-space signature',
      'Unable to handle swap header version 2',
      'Empty swap-file',
      'Swap area shorter than signature indicates',
      'Empty swap-file',
      'Adding 65528k swap on /swap.  Priority:-2 extents:1 across:65528k ',
    ])
    expect(sys.swap_state.total_swap_pages[0]).toBe(SLOTS - 2)
    expect(swapoff(sys, '/swap')).toBe(0)
    expect(swapoff(sys, '/swap')).toBe(-EINVAL)
    expect(sys.swap_state.total_swap_pages[0]).toBe(0)
    expect(check(sys)).toEqual([])
  })

  it('are emptied by swapoff', () => {
    const process = new Process('6.1-x86_64', 8500, area())
    const { sys } = process
    for (let page = 0; page < 8500; page++) process.write(page, value(page))
    // Some memory is needed for what lies in swap.
    swapon(sys, { ...area('/other'), prio: 10 })
    expect(swapoff(sys, '/swap')).toBe(0)
    expect(check(sys)).toEqual([])
    expect(process.wrong()).toEqual([])
  })

  it('that are cut while in use cost their own pages only', () => {
    const slots = new Map<number, Uint8Array>()
    const store: SwapStore = {
      size: () => SLOTS * 4096,
      read: (offset, into) => {
        const bytes = slots.get(offset)
        if (bytes) into.set(bytes)
        return bytes !== undefined
      },
      write: (offset, bytes) => {
        slots.set(offset, bytes === null ? new Uint8Array(4096) : bytes.slice())
        return true
      },
    }
    const process = new Process('6.1-x86_64', 8500, area('/swap', 1), store)
    const { sys } = process
    for (let page = 0; page < 8500; page++) process.write(page, value(page))
    for (const offset of slots.keys()) if (offset >= 1000) slots.delete(offset)
    let lost = 0
    const wrong: number[] = []
    for (let page = 0; page < 8500; page++) {
      const signal = process.touch(page)
      if (signal === SIGBUS) lost++
      else {
        if (process.read(page) !== value(page)) wrong.push(page)
      }
    }
    expect(wrong).toEqual([])
    expect(lost).toBeGreaterThan(0)
    expect(lost).toBeLessThan(8500)
    expect(sys.swap_info.errors[0]).toBeGreaterThan(0)
    expect(check(sys)).toEqual([])
  })
})

describe('tracepoints of reclaim', () => {
  it('are written as the kernel prints them, and read back', () => {
    const process = new Process('6.1-x86_64', 8500, area())
    const { sys } = process
    const ring = new RecordRing(2 ** 17)
    sys.trace = ring.probes([
      'mm_vmscan_lru_isolate',
      'mm_vmscan_lru_shrink_inactive',
      'mm_vmscan_write_folio',
      'mm_vmscan_wakeup_kswapd',
      'mm_vmscan_kswapd_wake',
    ])
    for (let page = 0; page < 8500; page++) process.touch(page, ACCESS_WRITE)
    const lines: string[] = []
    const writer = new FtraceWriter()
    ring.read(batch => lines.push(...writer.batch(batch).split('\n')))
    const found = (name: string): string | undefined =>
      lines.find(line => line.includes(`${name}: `))?.split(`${name}: `)[1]
    expect(found('mm_vmscan_lru_isolate')).toMatch(
      /^isolate_mode=0 classzone=\d order=0 nr_requested=\d+ nr_scanned=\d+ nr_skipped=\d+ nr_taken=\d+ lru=inactive_anon$/,
    )
    expect(found('mm_vmscan_lru_shrink_inactive')).toMatch(
      /^nid=0 nr_scanned=\d+ nr_reclaimed=0 nr_dirty=0 .* priority=\d+ flags=RECLAIM_WB_ANON\|RECLAIM_WB_ASYNC$/,
    )
    expect(found('mm_vmscan_write_folio')).toMatch(/ pfn=0x[0-9a-f]+ flags=RECLAIM_WB_ANON\|RECLAIM_WB_ASYNC$/)
    expect(lines.some(line => line.includes('mm_vmscan_kswapd_wake: nid=0 order=0'))).toBe(true)
  })
})
