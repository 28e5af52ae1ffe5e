// Two nodes: a process's pages move from one to the other with their bytes, and vm.zone_reclaim_mode keeps memory near.
import { describe, expect, it } from 'vitest'
import { setup_address_space } from '../../src/arch/x86/setup_address_space.ts'
import { ACCESS_READ, ACCESS_WRITE, access } from '../../src/mm/access.ts'
import { check } from '../../src/mm/check.ts'
import { read_file } from '../../src/mm/file_io.ts'
import { new_inode, open_inode } from '../../src/mm/files.ts'
import { fork, mm_alloc, switch_to, task_alloc } from '../../src/mm/fork.ts'
import { GFP_HIGHUSER_MOVABLE } from '../../src/mm/gfp.ts'
import { do_migrate_pages } from '../../src/mm/migrate_nodes.ts'
import { do_mmap } from '../../src/mm/mmap.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { alloc_pages_node } from '../../src/mm/page_alloc/alloc_pages.ts'
import { page_to_nid } from '../../src/mm/page_ref.ts'
import { frame_bytes, frame_bytes_for_write } from '../../src/mm/physmem.ts'
import { pte_pfn } from '../../src/mm/pte.ts'
import { pte_lookup } from '../../src/mm/user_pgtable.ts'
import { INODE_REGULAR, MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from '../../src/mm/vm_flags.ts'
import { vm_init } from '../../src/mm/vm_init.ts'
import { NODE_STAT_ITEMS, node_item, vm_event } from '../../src/mm/vmstat_item.ts'
import { numaStat } from '../../src/scenarios/look.ts'
import { boot_from_description } from '../../src/sim/boot.ts'

const memory = [
  { start: 0, size: '64M', node: 0 },
  { start: '64M', size: '64M', node: 1 },
]

function twoNodes(): { sys: Sys; mm: number } {
  const sys = boot_from_description(
    { kernel: '6.1-x86_64', memory, cpus: [0, 1] },
    { shared: false, framesWithBytes: 4096, processes: { nr_tasks: 4, nr_xa_nodes: 2048 } },
  )
  setup_address_space(sys)
  vm_init(sys)
  const task = task_alloc(sys, 'mover')
  const mm = mm_alloc(sys, task)
  sys.task.mm[task] = mm
  switch_to(sys, task)
  return { sys, mm }
}

const frameOf = (sys: Sys, mm: number, page: number): number => pte_pfn(sys, pte_lookup(sys, sys.mm.pgd[mm]! - 1, page))
const nodesOf = (sys: Sys, mm: number, base: number, pages: number): number[] => [
  ...new Set(Array.from({ length: pages }, (_, i) => page_to_nid(sys, frameOf(sys, mm, base + i)))),
]
const stat = (sys: Sys, node: number, item: Parameters<typeof node_item>[0]): number =>
  sys.node_stat.vm_stat[node * NODE_STAT_ITEMS.length + node_item(item)]!
const count = (sys: Sys, event: Parameters<typeof vm_event>[0]): number => sys.vm_event.count[vm_event(event)]!

describe('migrate_pages', () => {
  it('moves private and file pages with bytes and counters, there and back', () => {
    const { sys, mm } = twoNodes()
    const own = do_mmap(sys, mm, { pages: 100, prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS })
    const file = open_inode(sys, new_inode(sys, INODE_REGULAR, 'f', 50 * sys.page_bytes))
    const mapped = do_mmap(sys, mm, { pages: 50, prot: PROT_READ, flags: MAP_SHARED, file })
    for (let i = 0; i < 100; i++) {
      expect(access(sys, own + i, ACCESS_WRITE)).toBe(0)
      sys.physmem.bytes[frame_bytes_for_write(sys, frameOf(sys, mm, own + i))] = i + 1
    }
    for (let i = 0; i < 50; i++) expect(access(sys, mapped + i, ACCESS_READ)).toBe(0)
    const pages = (node: number) => [
      stat(sys, node, 'nr_anon_pages'),
      stat(sys, node, 'nr_file_pages'),
      stat(sys, node, 'nr_mapped'),
    ]
    const before = [pages(0), pages(1)]
    expect(before[0]).toEqual([100, 50, 50])
    const hits = numaStat(sys, 1, 'numa_hit')
    expect(do_migrate_pages(sys, mm, [0], [1])).toBe(0)
    expect([nodesOf(sys, mm, own, 100), nodesOf(sys, mm, mapped, 50)]).toEqual([[1], [1]])
    expect([pages(1), pages(0)]).toEqual(before)
    expect(numaStat(sys, 1, 'numa_hit') - hits).toBe(150)
    expect([count(sys, 'pgmigrate_success'), count(sys, 'pgmigrate_fail')]).toEqual([150, 0])
    expect(check(sys)).toEqual([])
    expect(do_migrate_pages(sys, mm, [1], [0])).toBe(0)
    expect(nodesOf(sys, mm, own, 100)).toEqual([0])
    for (let i = 0; i < 100; i++) expect(sys.physmem.bytes[frame_bytes(sys, frameOf(sys, mm, own + i))]).toBe(i + 1)
    expect([pages(0), pages(1)]).toEqual(before)
    expect(check(sys)).toEqual([])
  })

  it('leaves pages that others map, too', () => {
    const { sys, mm } = twoNodes()
    const own = do_mmap(sys, mm, { pages: 40, prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS })
    for (let i = 0; i < 40; i++) access(sys, own + i, ACCESS_WRITE)
    fork(sys, sys.mm.owner[mm]!)
    expect(do_migrate_pages(sys, mm, [0], [1])).toBe(0)
    expect(nodesOf(sys, mm, own, 40)).toEqual([0])
    for (let i = 0; i < 10; i++) access(sys, own + i, ACCESS_WRITE)
    expect(do_migrate_pages(sys, mm, [0], [1])).toBe(0)
    expect([nodesOf(sys, mm, own, 10), nodesOf(sys, mm, own + 10, 30)]).toEqual([[1], [0]])
    expect(check(sys)).toEqual([])
    expect(() => do_migrate_pages(sys, mm, [0], [7])).toThrow('no node 7')
  })
})

describe('vm.zone_reclaim_mode', () => {
  /** Node 0 full of clean pages of a file that nobody maps, then 500 pages asked for there. */
  function ask(mode: number): number[] {
    const { sys } = twoNodes()
    sys.sysctl.zone_reclaim_mode[0] = mode
    const pages = 16384
    const file = open_inode(sys, new_inode(sys, INODE_REGULAR, 'big', pages * sys.page_bytes))
    for (
      let at = 0;
      at < pages && numaStat(sys, 0, 'numa_foreign') === 0 && count(sys, 'zone_reclaim_success') === 0;
      at++
    )
      read_file(sys, file, at, 1)
    const foreign = numaStat(sys, 0, 'numa_foreign')
    for (let i = 0; i < 500; i++) alloc_pages_node(sys, 0, GFP_HIGHUSER_MOVABLE, 0)
    expect(check(sys)).toEqual([])
    return [numaStat(sys, 0, 'numa_foreign') - foreign, count(sys, 'zone_reclaim_success')]
  }

  it('0: memory comes from the other node', () => {
    const [foreign, reclaimed] = ask(0)
    expect(foreign).toBeGreaterThan(0)
    expect(reclaimed).toBe(0)
  })

  it('1: the node is reclaimed first', () => {
    const [foreign, reclaimed] = ask(1)
    expect(foreign).toBe(0)
    expect(reclaimed).toBeGreaterThan(0)
  })
})
