// The cases of the kernel's vmalloc test module (lib/test_vmalloc.c), by name, as behaviours against the kernel's API in our
// own words. A case says whether it went well; everything that it took it gives back.
import type { ModuleKernel } from '../../../src/sim/module/kernel_api.ts'
import type { PerCpu } from '../../../src/sim/module/percpu_calls.ts'
import type { Pointer } from '../../../src/sim/module/pointer.ts'

/** Rounds of a case; the kernel's default is a million. */
const ROUNDS = 500
/** As in the kernel. */
const FIT = 35_000
const BUSY = 15_000
const PERCPU = 35_000

interface VmallocCase {
  readonly name: string
  /** One sentence. */
  readonly does: string
  /** Whether it passes on a kernel. */
  readonly kernel: 'passes' | 'fails'
  run(k: ModuleKernel): boolean
}

/** Numbers without a pattern, the same in each run. */
function dice(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) % below
  }
}

/** Takes, writes to and gives back; false = there was nothing to take. */
function use(k: ModuleKernel, address: Pointer | null, free: (address: Pointer) => void = k.vfree): boolean {
  if (address === null) return false
  k.writeb(0, address)
  free(address)
  return true
}

/** The same, and the address must be a multiple of `align`, or of a page where that is more. */
function useAligned(k: ModuleKernel, pages: number, align: number): boolean {
  const address = k.__vmalloc_node(pages * k.PAGE_SIZE, align, k.GFP_KERNEL | k.__GFP_ZERO)
  const right = address !== null && address.address.lo % Math.max(k.PAGE_SIZE, Math.min(align, 2 ** 32)) === 0
  return use(k, address) && right
}

const times = (rounds: number, round: (at: number) => boolean): boolean => {
  for (let at = 0; at < rounds; at++) if (!round(at)) return false
  return true
}

function fullFit(k: ModuleKernel): boolean {
  const kept: (Pointer | null)[] = []
  const holes: (Pointer | null)[] = []
  for (let at = 0; at < FIT; at++) {
    kept.push(k.vmalloc(k.PAGE_SIZE))
    holes.push(k.vmalloc(k.PAGE_SIZE))
  }
  for (const hole of holes) k.vfree(hole)
  const well = times(ROUNDS, () => use(k, k.vmalloc(k.PAGE_SIZE)))
  for (const one of kept) k.vfree(one)
  return well && !kept.includes(null) && !holes.includes(null)
}

function longBusyList(k: ModuleKernel): boolean {
  const busy = Array.from({ length: BUSY }, () => k.vmalloc(k.PAGE_SIZE))
  const well = times(ROUNDS, () => {
    const [large, small] = [k.vmalloc(100 * k.PAGE_SIZE), k.vmalloc(k.PAGE_SIZE)]
    return [use(k, large), use(k, small)].every(Boolean)
  })
  for (const one of busy) k.vfree(one)
  return well && !busy.includes(null)
}

function perCpu(k: ModuleKernel): boolean {
  const roll = dice(8)
  const all: (PerCpu | null)[] = []
  for (let at = 0; at < PERCPU; at++) all.push(k.__alloc_percpu(1 + roll(k.PAGE_SIZE / 4), 2 ** roll(11)))
  for (const one of all) k.free_percpu(one)
  return !all.includes(null)
}

function mapRam(k: ModuleKernel): boolean {
  const page = k.alloc_page(k.GFP_KERNEL)!
  const well = times(ROUNDS, () => use(k, k.vm_map_ram([page]), address => k.vm_unmap_ram(address, 1)))
  k.__free_page(page)
  return well
}

/** Offset of the rcu_head in what is freed after a grace period. */
const RCU_HEAD = 0

export const VMALLOC_CASES: readonly VmallocCase[] = [
  {
    name: 'fix_size_alloc_test',
    does: 'one page, again and again',
    kernel: 'passes',
    run: k => times(ROUNDS, () => use(k, k.vmalloc(k.PAGE_SIZE))),
  },
  {
    name: 'full_fit_alloc_test',
    does: '35 000 holes of a page: one is filled again and again',
    kernel: 'passes',
    run: fullFit,
  },
  {
    name: 'long_busy_list_alloc_test',
    does: '15 000 areas stay, 100 pages and one page come and go',
    kernel: 'passes',
    run: longBusyList,
  },
  {
    name: 'random_size_alloc_test',
    does: '1 to 100 pages',
    kernel: 'passes',
    run: k => {
      const roll = dice(4)
      return times(ROUNDS, () => use(k, k.vmalloc((1 + roll(100)) * k.PAGE_SIZE)))
    },
  },
  {
    name: 'fix_align_alloc_test',
    does: 'five pages at multiples of twice a kernel stack',
    kernel: 'passes',
    run: k => times(ROUNDS, () => useAligned(k, 5, 2 ** 15)),
  },
  {
    name: 'random_size_align_alloc_test',
    does: '1 to 10 pages at multiples of 1 byte to 4 MiB',
    kernel: 'passes',
    run: k => {
      const roll = dice(6)
      return times(ROUNDS, () => useAligned(k, 1 + roll(10), 2 ** roll(23)))
    },
  },
  {
    name: 'align_shift_alloc_test',
    does: 'a page at multiples of every power of two that a long has: the highest cannot be',
    kernel: 'fails',
    run: k => times(64, shift => useAligned(k, 1, 2 ** shift)),
  },
  {
    name: 'pcpu_alloc_test',
    does: '35 000 pieces of memory per CPU of any size and alignment',
    kernel: 'passes',
    run: perCpu,
  },
  {
    name: 'kvfree_rcu_1_arg_vmalloc_test',
    does: 'a page that is freed after a grace period that the caller waits for',
    kernel: 'passes',
    run: k => times(ROUNDS, () => use(k, k.vmalloc(k.PAGE_SIZE), k.kvfree_rcu_mightsleep)),
  },
  {
    name: 'kvfree_rcu_2_arg_vmalloc_test',
    does: 'the same, and the caller goes on',
    kernel: 'passes',
    run: k => {
      const well = times(ROUNDS, () => use(k, k.vmalloc(k.PAGE_SIZE), address => k.kvfree_rcu(address, RCU_HEAD)))
      k.rcu_barrier()
      return well
    },
  },
  {
    name: 'vm_map_ram_test',
    does: 'a page, mapped for a short time',
    kernel: 'passes',
    run: mapRam,
  },
]
