// The memory of a recording of kmemleak: a machine on which the allocators hand out exactly the blocks that were leaked.
// Every other block that is taken on the way there is one that somebody points to: a page of pointers is a root.
import { address_distance } from '../base/address.ts'
import { kernel_for_release, with_config } from '../kernels/index.ts'
import { __GFP_DMA32, __GFP_NOWARN, GFP_KERNEL } from '../mm/gfp.ts'
import { kernel_jiffies } from '../mm/jiffies.ts'
import { kasan_set_stack, kasan_set_task } from '../mm/kasan_stack.ts'
import type { Kernel } from '../mm/kernel.ts'
import { kzalloc } from '../mm/kmalloc.ts'
import { kmalloc_place } from '../mm/kmalloc_caches.ts'
import { kmem_cache_init, kmem_cache_named } from '../mm/kmem_cache.ts'
import { kmemleak_init, kmemleak_not_leak } from '../mm/kmemleak.ts'
import { kmemleak_text, kmemleak_write } from '../mm/kmemleak_debugfs.ts'
import { kmemleak_key_address, kmemleak_page_key } from '../mm/kmemleak_key.ts'
import type { Sys } from '../mm/mmzone.ts'
import { __alloc_pages, __free_pages } from '../mm/page_alloc/alloc_pages.ts'
import { pgtable_init, vmalloc_to_pfn } from '../mm/pgtable_map.ts'
import { write_u8, write_u32 } from '../mm/physmem.ts'
import { get_vm_area } from '../mm/vm_struct.ts'
import { vmalloc, vmalloc_init } from '../mm/vmalloc.ts'
import { VM_ALLOC, VM_NO_GUARD } from '../mm/vmalloc_types.ts'
import type { RecordedLeak } from './kmemleak.ts'
import { RecordedFrames } from './recorded_frames.ts'

/** What the recorder takes and forgets, in this order. */
const REQUESTS = [
  ['kmalloc', 100],
  ['kmalloc', 2000],
  ['vmalloc', 5000],
] as const

/** A block of pointers that nobody needs to point to. */
interface Root {
  readonly object: number
  pointers: number
}

/** Ticks that pass before the scans. */
const LATER = 2000

/** The file and the log after two scans of a machine that leaked these blocks. A RangeError where there is none. */
export function leakMemory(leaks: readonly RecordedLeak[]): { text: string[]; log: string[] } {
  if (leaks.length !== REQUESTS.length)
    throw new RangeError(`${leaks.length} leaks are recorded, the recorder makes ${REQUESTS.length}`)
  const kernel = recordedKernel()
  const keys = leaks.map(({ address }) => address_distance(kmemleak_base(kernel), address))
  const frames = framesOf(kernel, keys)
  const { sys } = frames
  kmemleak_init(sys)
  const root = { object: kzalloc(sys, sys.page_bytes, GFP_KERNEL), pointers: 0 }
  kmemleak_not_leak(sys, root.object)
  for (const [at, leak] of leaks.entries()) takeOne(frames, root, keys[at]!, REQUESTS[at]!, leak)
  return scanned(sys)
}

const kmemleak_base = ({ PAGE_OFFSET }: Kernel): { hi: number; lo: number } => ({
  hi: Math.floor(PAGE_OFFSET / 2 ** 32),
  lo: PAGE_OFFSET % 2 ** 32,
})

function recordedKernel(): Kernel {
  const base = kernel_for_release('6.1', 'x86_64')!
  const without = { NUMA: false, NUMA_EMU: false, NUMA_BALANCING: false, ZONE_DEVICE: false, MEMCG_KMEM: false }
  const plain = { SLAB_FREELIST_HARDENED: false, SLAB_FREELIST_RANDOM: false }
  const config = { ...without, ...plain, KASAN: true, DEBUG_KMEMLEAK: true }
  return with_config(base, config, { name: `${base.name}-recorded` })
}

/** A machine with caches and an address space; the zone that recorded blocks lie in gives nothing by itself. */
function framesOf(kernel: Kernel, keys: readonly number[]): RecordedFrames {
  const direct = keys.filter((_, at) => REQUESTS[at]![0] === 'kmalloc')
  const last = Math.max(...direct.map(key => Math.floor(key / 2 ** kernel.PAGE_SHIFT)))
  const frames = new RecordedFrames(kernel, 1, last + 16, GFP_KERNEL | __GFP_DMA32, 0)
  kmem_cache_init(frames.sys)
  pgtable_init(frames.sys)
  vmalloc_init(frames.sys, kernel.pgtable.vmalloc!)
  return frames
}

function takeOne(
  frames: RecordedFrames,
  root: Root,
  key: number,
  [call, bytes]: (typeof REQUESTS)[number],
  leak: RecordedLeak,
): void {
  const { sys } = frames
  sys.machine.jiffies[0] = leak.jiffies - kernel_jiffies(sys, 0)
  if (!(sys.machine.jiffies[0] >= 0)) throw new RangeError(`no kernel counts jiffies ${leak.jiffies}`)
  const set = (): void => {
    kasan_set_task(sys, leak.comm, leak.pid)
    kasan_set_stack(sys, leak.trace)
  }
  if (call === 'kmalloc') takeObject(frames, root, key, bytes, set)
  else takeArea(sys, key, bytes, set)
  for (const [at, byte] of leak.bytes.entries()) write_u8(sys, paddr_of(sys, key + at), byte)
}

function paddr_of(sys: Sys, key: number): number {
  if (key < sys.nr_frames * sys.page_bytes) return key
  const page = sys.kernel.PAGE_OFFSET / sys.page_bytes + Math.floor(key / sys.page_bytes)
  return vmalloc_to_pfn(sys, page) * sys.page_bytes + (key % sys.page_bytes)
}

/** Objects of the slab that the wanted one lies in, until it comes; others have the root point to them. */
function takeObject(frames: RecordedFrames, root: Root, key: number, bytes: number, set: () => void): void {
  const { sys } = frames
  const cache = kmem_cache_named(sys, kmalloc_place(sys.kernel, bytes, GFP_KERNEL).cache!)
  const order = sys.slub_cache.oo[cache]! >>> 16
  const pfn = Math.floor(key / sys.page_bytes)
  const elsewhere = exhaust(sys)
  frames.offer(pfn - (pfn % 2 ** order), order)
  set()
  // Zeroed, since an object that nobody wrote to still has its pointer to the next one.
  for (;;) {
    const object = kzalloc(sys, bytes, GFP_KERNEL | __GFP_NOWARN)
    if (object === key) break
    if (object === 0 || object > key) throw new RangeError(`no object of ${bytes} bytes begins at ${key}`)
    point(sys, root, object)
  }
  for (const [block, size] of elsewhere) __free_pages(sys, block, size)
}

/** Takes all that is free. */
function exhaust(sys: Sys): [pfn: number, order: number][] {
  const taken: [number, number][] = []
  for (let order = sys.NR_PAGE_ORDERS - 1; order >= 0; order--)
    for (;;) {
      const pfn = __alloc_pages(sys, GFP_KERNEL | __GFP_NOWARN, order, 0)
      if (pfn < 0) break
      taken.push([pfn, order])
    }
  return taken
}

function point(sys: Sys, root: Root, key: number): void {
  const { hi, lo } = kmemleak_key_address(sys, key)
  const at = root.object + 8 * root.pointers++
  write_u32(sys, at, lo)
  write_u32(sys, at + 4, hi)
}

function takeArea(sys: Sys, key: number, bytes: number, set: () => void): void {
  const { start } = sys.kernel.pgtable.vmalloc!
  const before = key - kmemleak_page_key(sys, start)
  if (before > 0) get_vm_area(sys, before, VM_ALLOC | VM_NO_GUARD)
  set()
  const page = vmalloc(sys, bytes)
  if (kmemleak_page_key(sys, page) !== key) throw new RangeError(`no area of ${bytes} bytes begins at ${key}`)
}

function scanned(sys: Sys): { text: string[]; log: string[] } {
  const log: string[] = []
  sys.machine.jiffies[0]! += LATER
  sys.printk = line => log.push(line)
  kmemleak_write(sys, 'scan')
  kmemleak_write(sys, 'scan')
  return { text: kmemleak_text(sys).replace(/\n$/, '').split('\n'), log }
}
