import { describe, expect, test } from 'vitest'
import { e820__memblock_setup, e820__update_table, e820_apply_options } from '../../../src/arch/x86/e820.ts'
import { type NumaFake, type NumaMemblk, numa_cleanup_meminfo, numa_emulation } from '../../../src/arch/x86/numa.ts'
import { memblock_add, memblock_create } from '../../../src/mm/memblock.ts'

const MiB = 2 ** 20
const usable = (start: number, end: number) => ({ start: start * MiB, end: end * MiB, type: 'usable' as const })

/** `0:0-1024 1:1024-2048` = node:start-end in MiB. */
const shown = (blocks: readonly NumaMemblk[]): string =>
  blocks.map(({ node, start, end }) => `${node}:${start / MiB}-${end / MiB}`).join(' ')

function faked(fake: NumaFake, ...nodes: [start: number, end: number][]): string {
  const mb = memblock_create()
  for (const [start, end] of nodes) memblock_add(mb, start * MiB, end * MiB, -1)
  const blocks = nodes.map(([start, end], node) => ({ start: start * MiB, end: end * MiB, node }))
  return shown(numa_emulation(mb, blocks, fake)?.blocks ?? [])
}

describe('fake nodes', () => {
  test('N nodes share the memory in units of 32 MiB', () => {
    expect(faked({ nodes: 2 }, [0, 2048])).toBe('0:0-1024 1:1024-2048')
    expect(faked({ nodes: 3 }, [0, 1024])).toBe('0:0-352 1:352-672 2:672-1024')
  })

  test('N nodes on each real one', () => {
    expect(faked({ per_node: 2 }, [0, 1024], [1024, 2048])).toBe('0:0-512 1:512-1024 2:1024-1536 3:1536-2048')
  })

  test('nodes of a size; what is left is too small for its own', () => {
    expect(faked({ size: 512 * MiB }, [0, 1600])).toBe('0:0-512 1:512-1024 2:1024-1600')
  })

  test('too many nodes for the memory: none', () => {
    expect(faked({ nodes: 100 }, [0, 1024])).toBe('')
  })
})

test('blocks of a node are joined over a hole, but not over another node', () => {
  const blocks = [usable(0, 1), usable(2, 64), usable(64, 128), usable(128, 256)].map(({ start, end }, i) => ({
    start,
    end,
    node: [0, 0, 1, 0][i]!,
  }))
  expect(shown(numa_cleanup_meminfo(blocks, 0, 200 * MiB))).toBe('0:0-64 1:64-128 0:128-200')
  expect(shown(numa_cleanup_meminfo(blocks, 32 * MiB, 200 * MiB))).toBe('0:32-64 1:64-128 0:128-200')
})

describe('the firmware map', () => {
  const none = { mem: 0, memmap: [], exactmap: false }

  test('where entries overlap the less usable one wins', () => {
    const table = e820__update_table([usable(0, 64), { start: 16 * MiB, end: 32 * MiB, type: 'reserved' }])
    expect(table.map(({ start, end, type }) => `${start / MiB}-${end / MiB} ${type}`)).toEqual([
      '0-16 usable',
      '16-32 reserved',
      '32-64 usable',
    ])
  })

  test('the first page and 640 KiB … 1 MiB are no memory of a PC', () => {
    const memory = e820__memblock_setup(e820_apply_options([usable(0, 64)], none, true), 12, 52).memory
    expect(memory.map(({ start, end }) => [start, end])).toEqual([
      [0x1000, 0xa0000],
      [MiB, 64 * MiB],
    ])
  })

  test('a 32-bit kernel leaves out an entry that does not end below 4 GiB', () => {
    const memory = (bits: number) => e820__memblock_setup([usable(16, 64), usable(4096, 5120)], 12, bits).memory.length
    expect([memory(32), memory(52)]).toEqual([1, 2])
  })
})
