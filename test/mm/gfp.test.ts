// Masks: decisions, printing, reading; the tables of names against those that the kernels themselves publish.

import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kernels } from '../../src/kernels/index.ts'
import * as gfp from '../../src/mm/gfp.ts'
import { bad_gfp } from '../../src/mm/gfp_check.ts'
import { format_gfp, parse_gfp } from '../../src/mm/gfp_names.ts'
import { create_sys } from '../../src/mm/machine_image.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { describeShared, SHARED } from '../shared.ts'

const k61 = kernels['6.1-x86_64']!
const k612 = kernels['6.12-x86_64']!
const alpha = kernels['2.6-alpha']!
const sysOf = (kernel = k61): Sys => create_sys(kernel, { max_pfn: 1024, nr_nodes: 2, nr_cpus: 1 }, false)

describe('decisions', () => {
  it('zones of a kernel without DMA32 and HighMem', () => {
    const sys = sysOf(alpha)
    const zone = (mask: number): string => alpha.zones[gfp.gfp_zone(sys, mask)]!
    expect([gfp.GFP_KERNEL, gfp.GFP_DMA, gfp.GFP_DMA32, gfp.GFP_HIGHUSER].map(zone)).toEqual([
      'Normal',
      'DMA',
      'Normal',
      'Normal',
    ])
    expect(zone(gfp.GFP_HIGHUSER_MOVABLE)).toBe('Movable')
  })

  it('NOFRAGMENT only for Normal above a populated DMA32, where there are several nodes', () => {
    const sys = sysOf()
    const [dma32, normal] = [sys.nr_zone_types + 1, sys.nr_zone_types + 2]
    const flags = (zone: number): number => gfp.alloc_flags_nofragment(sys, zone, gfp.GFP_KERNEL) & gfp.ALLOC_NOFRAGMENT
    sys.machine.nr_online_nodes[0] = 2
    expect([flags(-1), flags(dma32), flags(normal)]).toEqual([0, 0, 0])
    sys.zone.present_pages[dma32] = 1
    expect([flags(dma32), flags(normal)]).toEqual([0, gfp.ALLOC_NOFRAGMENT])
  })

  it('without grouping by mobility everything is unmovable', () => {
    const sys = sysOf()
    expect(gfp.gfp_migratetype(sys, gfp.GFP_HIGHUSER_MOVABLE)).toBe(1)
    sys.machine.page_group_by_mobility_disabled[0] = 1
    expect(gfp.gfp_migratetype(sys, gfp.GFP_HIGHUSER_MOVABLE)).toBe(0)
  })

  it('THISNODE asks for the list of one node, where the kernel has nodes', () => {
    expect(gfp.gfp_zonelist(sysOf(), gfp.__GFP_THISNODE)).toBe(1)
    expect(gfp.gfp_zonelist(sysOf(kernels['6.1-i386']!), gfp.__GFP_THISNODE)).toBe(0)
  })
})

describe('printing', () => {
  it('differs between kernels where their masks do', () => {
    const both = (mask: number): string[] => [k61, k612].map(kernel => format_gfp(kernel.gfp, mask))
    expect(both(0xa20)).toEqual(['GFP_ATOMIC', 'GFP_ATOMIC|0x200'])
    expect(both(0x820)).toEqual(['GFP_NOWAIT|__GFP_HIGH', 'GFP_ATOMIC'])
    expect(both(0x2800)).toEqual(['GFP_NOWAIT|__GFP_NOWARN', 'GFP_NOWAIT'])
    expect(both(0)).toEqual(['', ''])
  })

  it('is undone by reading, for every mask', () => {
    for (const { gfp: table } of [k61, k612])
      fc.assert(
        fc.property(fc.nat(0xfffffff), mask => {
          expect(parse_gfp(table, format_gfp(table, mask))).toMatchObject({ value: mask, unknown: [] })
        }),
      )
  })
})

describe('reading', () => {
  const read = (text: string): unknown[] => {
    const { value, printed, unknown } = parse_gfp(k61.gfp, text)
    return [value, printed, ...unknown]
  }
  const cases: readonly (readonly [string, unknown[]])[] = [
    ['', [0, null]],
    ['none', [0, null]],
    ['(none)', [0, null]],
    ['0xcc0', [0xcc0, 0xcc0]],
    ['3264', [3264, 3264]],
    ['GFP_KERNEL|__GFP_ZERO', [0xdc0, null]],
    [' GFP_KERNEL | __GFP_ZERO ', [0xdc0, null]],
    ['GFP_KERNEL|0x7000000', [0x7000cc0, null]],
    ['0x400dc0(GFP_KERNEL_ACCOUNT|__GFP_ZERO)', [0x400dc0, 0x400dc0]],
    // 4.14 had other bits: the words count.
    ['0x14200ca(GFP_HIGHUSER_MOVABLE)', [0x100cca, 0x14200ca]],
    ['0x0()', [0, 0]],
    ['0xcc0(GFP_KERNEL', [0xcc0, 0xcc0]],
    ['__GFP_WAIT|__GFP_COLD', [0xc00, null]],
    ['GFP_WAIT|GFP_HIGH|GFP_IO|GFP_COLD', [0xc60, null]],
    ['GFP_KERNEL|__GFP_REPEAT', [0x4cc0, null]],
    ['GFP_TEMPORARY', [0xcd0, null]],
    ['GFP_TRANSHUGE|GFP_NO_KSWAPD', [0x1c24ca, null]],
    ['GFP_KERNEL|__GFP_BOGUS|toString', [0xcc0, null, '__GFP_BOGUS', 'toString']],
    ['0xfffffffff', [0, null, '0xfffffffff']],
    ['|', [0, null]],
  ]
  it.each(cases)('%s', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), text => void parse_gfp(k61.gfp, text)))
  })
})

describe('masks that nobody should pass', () => {
  const kinds = (mask: number, order = 0): string[] => bad_gfp(sysOf(), mask, order).faults.map(fault => fault.kind)

  it('sound ones have no fault', () => {
    for (const mask of [gfp.GFP_KERNEL, gfp.GFP_ATOMIC, gfp.GFP_HIGHUSER_MOVABLE, 0]) expect(kinds(mask)).toEqual([])
  })

  it('names each fault', () => {
    expect(kinds(gfp.__GFP_DMA | gfp.__GFP_DMA32)).toEqual(['zone'])
    expect(kinds(gfp.__GFP_MOVABLE | gfp.__GFP_RECLAIMABLE)).toEqual(['mobility'])
    expect(kinds(gfp.GFP_KERNEL | 0x8000000)).toEqual(['unknown-bits'])
    expect(kinds(gfp.GFP_KERNEL | gfp.__GFP_ATOMIC)).toEqual(['atomic-may-sleep'])
    expect(kinds(gfp.GFP_KERNEL | gfp.__GFP_NOFAIL, 2)).toEqual(['nofail-order'])
    expect(kinds(gfp.GFP_ATOMIC | gfp.__GFP_NOFAIL)).toEqual(['nofail-no-reclaim'])
  })

  it('goes on with the bits that the kernel allows', () => {
    const sys = sysOf()
    sys.machine.gfp_allowed_mask[0] = k61.gfp.GFP_BITS_MASK
    expect(bad_gfp(sys, 0x8000cc0).gfp).toBe(0xcc0)
  })
})

describeShared('names against the kernels’ own tables (event formats of the traces)', () => {
  const root = `${SHARED}/truth/stock`
  const profile: Record<string, string> = { '6.1.0': '6.1-x86_64', '6.12.117+deb12': '6.12-x86_64' }
  for (const release of SHARED ? readdirSync(root).filter(name => /^\d/.test(name)) : [])
    it(release, () => {
      const kernel = kernels[profile[release.split('-')[0]!]!]!
      const found = readdirSync(`${root}/${release}`, { recursive: true }).map(String)
      const path = found.find(name => /\/formats(\.gz)?$/.test(name))!
      expect(kernel.gfp.names).toEqual(publishedNames(`${root}/${release}/${path}`))
    })
})

/** The flag table in the print format of mm_page_alloc: C constant expressions and names. */
function publishedNames(path: string): [string, number][] {
  const bytes = readFileSync(path)
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
  const format = text.slice(text.indexOf('name: mm_page_alloc\n')).match(/print fmt: .*/)![0]
  return [...format.matchAll(/\{([^{}]*), "(\w+)"\}/g)].map(([, expression, name]) => {
    const plain = expression!.replaceAll(/\( (unsigned long|gfp_t)\)/g, '').replaceAll(/(?<=[0-9a-f])(UL|u)\b/g, '')
    return [name!, Number(new Function(`return ${plain}`)())]
  })
}
