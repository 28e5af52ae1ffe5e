// Recordings of what real kernels make of GFP masks (`gfp*.jsonl`): every field of every row, compared exactly.
// A check is a row. Taken as given from the file: the kernel (first line), `movable_zone`, which is the highest zone
// that has memory, and whether mobility grouping is off. ZONE_MOVABLE has memory where the command line asks for it.
import { kernel_for_release } from '../kernels/index.ts'
import {
  __gfp_pfmemalloc_flags,
  ALLOC_CMA,
  ALLOC_CPUSET,
  ALLOC_HIGHATOMIC,
  ALLOC_KSWAPD,
  ALLOC_MIN_RESERVE,
  ALLOC_NO_WATERMARKS,
  ALLOC_NOFRAGMENT,
  ALLOC_NON_BLOCK,
  ALLOC_OOM,
  alloc_flags_nofragment,
  GFP_ZONEMASK,
  gfp_migratetype,
  gfp_to_alloc_flags,
  gfp_zone,
  gfp_zonelist,
  gfpflags_allow_blocking,
} from '../mm/gfp.ts'
import { format_gfp } from '../mm/gfp_names.ts'
import type { Kernel } from '../mm/kernel.ts'
import { create_sys } from '../mm/machine_image.ts'
import type { Sys } from '../mm/mmzone.ts'
import { first_zones_zonelist, node_zonelist } from '../mm/page_alloc/alloc_pages.ts'
import { build_all_zonelists } from '../mm/zonelist.ts'
import { kernelOfMeta, metaOf } from './recorded_kernel.ts'
import { type JsonLine, jsonLines, type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

type Row = Readonly<Record<string, unknown>>
/** What the model says about a row: the row's own fields, those that can be derived replaced by the model's. */
type Derive = (sys: Sys, row: Row) => Row

const ORDERS = [0, 1, 3, 9]

/** Kind `gfp` of `mmtwin verify`. */
export const gfpKind: VerifyKind = {
  kind: 'gfp',
  run: files => {
    const counts = tally('gfp')
    for (const file of files) if (/(^|\/)gfp[^/]*\.jsonl(\.gz)?$/.test(file.path)) verifyFile(file, files, counts)
    return counts.result()
  },
}

function verifyFile(file: VerifyFile, files: readonly VerifyFile[], counts: Tally): void {
  counts.file(file.path)
  const [first, ...lines] = jsonLines(file.text())
  const meta = metaOf(first)
  if (meta === null) {
    counts.check(1, 'a first line that describes the kernel', first?.text.slice(0, 80) ?? 'nothing')
    return
  }
  const numa = numaKernel(file.path, files)
  if (kernel_for_release(meta.release, meta.machine) === null) {
    counts.check(1, 'a kernel that is modelled', `${meta.release} ${meta.machine}`)
    return
  }
  const kernel = kernelOfMeta(meta, { smp: numa || meta.cpus > 1, numa })
  const sys = machine(kernel, lines, /\b(kernelcore|movablecore)=/.test(meta.cmdline))
  for (const line of lines) verifyLine(sys, line, counts)
}

/** Whether the kernel that made `path` knows nodes: it has their files in /sys, or its folder is named after them. */
function numaKernel(path: string, files: readonly VerifyFile[]): boolean {
  const folder = path.slice(0, path.lastIndexOf('/') + 1)
  if (/(^|[_-])numa([_-]|$)/.test(folder.split('/').at(-2) ?? '')) return true
  const nodes = files.filter(file => file.path.startsWith(folder) && /sys_node\.tsv(\.gz)?$/.test(file.path))
  return nodes.some(file => file.text() !== '')
}

/** A machine of one node with memory in the zones that the recording's machine had memory in. */
function machine(kernel: Kernel, lines: readonly JsonLine[], movable: boolean): Sys {
  const config = lines.map(({ row }) => row as Row | null).find(row => row?.t === 'gfpcfg')
  const sys = create_sys(kernel, { max_pfn: 1 << 12, nr_nodes: 1, nr_cpus: 1 }, false)
  sys.machine.nr_online_nodes[0] = 1
  sys.machine.gfp_allowed_mask[0] = kernel.gfp.GFP_BITS_MASK
  sys.machine.page_group_by_mobility_disabled[0] = Number(config?.page_group_by_mobility_disabled ?? 0)
  const highest = Number(config?.movable_zone ?? kernel.zones.indexOf('Normal'))
  kernel.zones.forEach((name, zone) => {
    if (zone > highest && !(movable && name === 'Movable')) return
    sys.zone.present_pages[zone] = 1024
    sys.zone.managed_pages[zone] = 1024
  })
  sys.node.online[0] = 1
  sys.node.present_pages[0] = 1024
  sys.distance.distance[0] = 10
  build_all_zonelists(sys)
  return sys
}

function verifyLine(sys: Sys, { line, row, text }: JsonLine, counts: Tally): void {
  const derive = derivations[String((row as Row | null)?.t)]
  if (derive === undefined) {
    counts.check(line, 'a row of a known type', text.slice(0, 80))
    return
  }
  const expected = row as Row
  const got = { ...expected, ...derive(sys, expected) }
  const wrong = Object.keys(got).filter(name => JSON.stringify(got[name]) !== JSON.stringify(expected[name]))
  const show = (side: Row): string => wrong.map(name => `${name}=${JSON.stringify(side[name])}`).join(' ')
  const label = typeof expected.n === 'string' ? `${expected.n}: ` : `${expected.t}: `
  counts.check(line, label + show(expected), label + show(got))
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`

const derivations: Readonly<Record<string, Derive>> = {
  gfp: (sys, row) => {
    const mask = Number(row.v)
    const bits = mask & GFP_ZONEMASK
    const first = first_zones_zonelist(sys, node_zonelist(sys, 0, mask), gfp_zone(sys, mask), null)
    const preferred = first < 0 ? -1 : sys.zonelist.zones[first]!
    return {
      zone: gfp_zone(sys, mask),
      bad_zone_combo: (sys.kernel.gfp.GFP_ZONE_BAD >> bits) & 1,
      mt: gfp_migratetype(sys, mask),
      af: ORDERS.map(order => hex(gfp_to_alloc_flags(sys, mask, order))),
      nofrag: hex(alloc_flags_nofragment(sys, preferred, mask)),
      pfmemalloc: hex(__gfp_pfmemalloc_flags(sys, mask)),
      pref_zone: preferred,
      may_block: Number(gfpflags_allow_blocking(mask)),
      zonelist: gfp_zonelist(sys, mask),
      str: format_gfp(sys.kernel.gfp, mask),
    }
  },
  zonebits: (sys, row) => ({
    zone: gfp_zone(sys, Number(row.bits)),
    bad: (sys.kernel.gfp.GFP_ZONE_BAD >> Number(row.bits)) & 1,
  }),
  allocflags: sys => ({
    NO_WATERMARKS: ALLOC_NO_WATERMARKS,
    OOM: ALLOC_OOM,
    NON_BLOCK: ALLOC_NON_BLOCK,
    MIN_RESERVE: ALLOC_MIN_RESERVE,
    CPUSET: ALLOC_CPUSET,
    CMA: ALLOC_CMA,
    NOFRAGMENT: sys.kernel.config.ZONE_DMA32 ? ALLOC_NOFRAGMENT : 0,
    HIGHATOMIC: ALLOC_HIGHATOMIC,
    KSWAPD: ALLOC_KSWAPD,
  }),
  gfpcfg: sys => {
    const { zone, GFP_ZONE_BAD } = sys.kernel.gfp
    const shift = zones_shift(sys.kernel)
    const packed = zone.reduce((sum, type, bits) => sum + type * 2 ** (bits * shift), 0)
    return {
      GFP_ZONE_TABLE: `0x${packed.toString(16)}`,
      GFP_ZONE_BAD: hex(GFP_ZONE_BAD),
      ZONES_SHIFT: shift,
      gfp_allowed_mask: hex(sys.kernel.gfp.GFP_BITS_MASK),
    }
  },
}

/** Bits of a zone's number in the packed table; ZONE_DEVICE is never in it. */
function zones_shift(kernel: Kernel): number {
  const zones = kernel.zones.filter(name => name !== 'Device').length
  return zones <= 2 ? 1 : zones <= 4 ? 2 : 3
}
