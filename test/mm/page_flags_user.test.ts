// /proc/kpageflags as two kernels show the same memory: bits recorded on both.
import { expect, it } from 'vitest'
import { ACCESS_WRITE, access } from '../../src/mm/access.ts'
import { do_mmap } from '../../src/mm/mmap.ts'
import { KPF, stable_page_flags } from '../../src/mm/page_flags_user.ts'
import { pagemap_entry } from '../../src/mm/task_mmu.ts'
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../src/mm/vm_flags.ts'
import { lru_add_drain } from '../../src/mm/vm_lru.ts'
import { bootProcess } from './process_machine.ts'

/** Names of the bits of a huge page's head and first tail. */
function hugeFlags(kernel: string): string[][] {
  const sys = bootProcess(kernel, '512M')
  sys.vm_state.thp_enabled[0] = 1
  const mm = sys.task.mm[sys.init]!
  const start = do_mmap(sys, mm, { pages: 1024, prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS })
  const huge = Math.ceil(start / 512) * 512
  access(sys, huge, ACCESS_WRITE)
  lru_add_drain(sys)
  return [0, 1].map(page => {
    const bits = BigInt(stable_page_flags(sys, pagemap_entry(sys, mm, huge + page).pfn))
    return Object.entries(KPF).flatMap(([name, bit]) => ((bits >> BigInt(bit)) & 1n ? [name] : []))
  })
}

const ANON = ['MMAP', 'ANON', 'SWAPBACKED']

it('6.1 shows tails without the flags of their folio', () => {
  const [head, tail] = hugeFlags('6.1-x86_64')
  expect(head).toEqual(expect.arrayContaining([...ANON, 'UPTODATE', 'LRU', 'COMPOUND_HEAD', 'THP']))
  expect(tail).toEqual(['MMAP', 'ANON', 'COMPOUND_TAIL', 'THP'])
})

it('6.12 shows tails with them, and takes anonymous memory for KSM’s', () => {
  const [head, tail] = hugeFlags('6.12-x86_64')
  expect(head).toEqual(expect.arrayContaining([...ANON, 'KSM', 'UPTODATE', 'LRU', 'COMPOUND_HEAD', 'THP']))
  expect(tail).toEqual(expect.arrayContaining([...ANON, 'KSM', 'UPTODATE', 'LRU', 'COMPOUND_TAIL', 'THP']))
})
