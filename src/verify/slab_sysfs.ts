// /sys/kernel/slab right after a boot, or at the start of a recording: every attribute of every cache, every link, the
// names of the folders. A check is an attribute, a link, or a cache that two files of one folder tell of.
// Taken as given: the kernel; of each cache the size and alignment of its objects, its flags, its constructor and what user
// space sees of it; and its slabs: how many a node has, how many of them are partial with how many objects in use, how
// many belong to CPUs. Everything else follows, the name of the folder and the words of every file included.
// Caches that several users share show the largest object of them: some size of the first one's must explain the line.
import { with_config } from '../kernels/index.ts'
import { type Kernel, zone_type } from '../mm/kernel.ts'
import { caller_text } from '../mm/kernel_text.ts'
import { note_alias } from '../mm/kmem_alias.ts'
import { note_slab_setup, set_kmem_cache_name } from '../mm/kmem_cache_rows.ts'
import type { Sys } from '../mm/mmzone.ts'
import { type CacheRequest, type SlabSetup, slab_setup } from '../mm/slab_common.ts'
import { slub } from '../mm/slub_allocator.ts'
import { type SlubGeometry, slub_geometry } from '../mm/slub_geometry.ts'
import { add_partial } from '../mm/slub_lists.ts'
import { set_slab_counters } from '../mm/slub_slab.ts'
import { slab_attr_show, slab_attributes, slab_folders } from '../mm/slub_sysfs.ts'
import { setup_zones, touch_all_blocks } from '../mm/zone_setup.ts'
import { writeCmdline } from '../report/proc/cmdline.ts'
import { readSlabSysfs, type SlabSysfsCache, type SlabSysfsFacts } from '../report/proc/slab_sysfs.ts'
import { readSnapshot, SNAPSHOT_FILES, type Snapshot } from '../report/snapshot.ts'
import { kernelOfSnapshot } from '../sim/snapshot_kernel.ts'
import { flagsOf, givenCounters, type SlabCounters } from './slab_sysfs_given.ts'
import { type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

const FILES = /(^|\/)(slab_sysfs|sys_kernel_slab)\.tsv(\.gz)?$/

/** Kind `slab sysfs` of `mmtwin verify`. */
export const slabSysfsKind: VerifyKind = {
  kind: 'slab sysfs',
  run: files => {
    const counts = tally('slab sysfs')
    for (const file of files) if (FILES.test(file.path)) verifyFile(file, files, counts)
    return counts.result()
  },
}

function verifyFile(file: VerifyFile, files: readonly VerifyFile[], counts: Tally): void {
  const text = file.text()
  // Allocators without such files leave an empty capture.
  if (text === '') return
  counts.file(file.path)
  const { facts, diagnostics } = readSlabSysfs(text)
  for (const { line, message } of diagnostics) counts.check(line, 'a line of a capture', message)
  const boot = bootBeside(file, files)
  if (boot === null) {
    counts.check(1, 'files beside it that tell of a kernel that is modelled', 'none')
    return
  }
  const own = facts.caches.filter(({ link }) => link === null)
  const machine = machineFor(boot, own, facts.caches.length)
  const rows = own.map(cache => fillCache(machine, boot.setup, cache, linksTo(facts, cache.name)))
  own.forEach((cache, at) => {
    if (rows[at] === null) counts.check(cache.line, `${cache.name}: a cache that can be`, 'none')
    else compareCache(machine, cache, rows[at]!, counts)
  })
  compareFolders(machine, facts, counts)
}

function compareCache(sys: Sys, { name, attributes, line }: SlabSysfsCache, row: number, counts: Tally): void {
  let at = line
  for (const [attribute, value] of attributes) {
    const got = slab_attr_show(sys, row, attribute) ?? NO_ATTRIBUTE
    counts.check(at, `${name}/${attribute} ${value}`, `${name}/${attribute} ${got}`)
    if (attributes.size > COLUMNS) at++
  }
  const [told, shown] = [[...attributes.keys()].sort(), slab_attributes(sys)]
  if (attributes.size > COLUMNS) counts.check(line, `${name}: ${told.join(' ')}`, `${name}: ${shown.join(' ')}`)
}

/** What a table has in the column of an attribute that the kernel has not. */
const NO_ATTRIBUTE = '-'
/** A table has fewer columns than a kernel has attributes. */
const COLUMNS = 22

/** What a link shows of another moment than its cache. */
const COUNTERS = new Set('objects objects_partial total_objects slabs partial cpu_slabs slabs_cpu_partial'.split(' '))

/** The names of folders and what links lead to; in a table a link repeats the attributes of its cache. */
function compareFolders(sys: Sys, facts: SlabSysfsFacts, counts: Tally): void {
  const { caches, links } = slab_folders(sys)
  for (const { name, link, attributes, line } of facts.caches) {
    if (link === null) {
      counts.check(line, name, caches.has(name) ? name : 'no such folder')
      continue
    }
    counts.check(line, `${name} -> ${link}`, `${name} -> ${links.get(name)}`)
    const target = facts.caches.find(cache => cache.name === link && cache.link === null)
    const show = (each: ReadonlyMap<string, string>): string =>
      [...each].filter(([key]) => !COUNTERS.has(key)).join(' ')
    if (facts.form === 'table') counts.check(line, show(attributes), target ? show(target.attributes) : 'no such cache')
  }
}

function linksTo({ caches }: SlabSysfsFacts, name: string): string[] {
  return caches.filter(({ link }) => link === name).map(cache => cache.name)
}

interface Boot {
  readonly setup: SlabSetup
  readonly cmdline: string
  readonly cpus: number
  readonly nodes: number
}

/** The kernel and its boot, by the files of the same folder. */
function bootBeside(file: VerifyFile, files: readonly VerifyFile[]): Boot | null {
  const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1)
  const known = new Set([...Object.values(SNAPSHOT_FILES).flat(), 'dmesg'])
  const texts = new Map<string, string>()
  for (const each of files) {
    const name = each.path.slice(folder.length).replace(/\.gz$/, '')
    if (each.path.startsWith(folder) && known.has(name) && !FILES.test(each.path)) texts.set(name, each.text())
  }
  const snapshot = readSnapshot(texts)
  try {
    return bootOf(kernelOfSnapshot(snapshot), snapshot, texts.get('dmesg') ?? '')
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

function bootOf(profile: Kernel, snapshot: Snapshot, dmesg: string): Boot {
  const [, line, possible] = /SLUB: HWalign=(\d+),.* CPUs=(\d+),/.exec(dmesg) ?? []
  const [, allowed, hotplug] = /smpboot: Allowing (\d+) CPUs?, (\d+) hotplug/.exec(dmesg) ?? []
  const present = Number(allowed ?? 1) - Number(hotplug ?? 0)
  const rows = snapshot.zoneinfo?.zones ?? []
  const cpus = 1 + Math.max(0, ...rows.flatMap(({ pagesets }) => pagesets.map(({ cpu }) => cpu)))
  const cmdline = snapshot.cmdline ? writeCmdline(snapshot.cmdline).trim() : ''
  const kernel = with_config(profile, { KASAN: /kasan: KernelAddressSanitizer initialized/.test(dmesg) })
  return {
    setup: slab_setup(kernel, {
      nr_cpus: present > 1 ? present : Number(possible ?? cpus),
      cmdline,
      ...(line ? { cache_line_size: Number(line) } : {}),
    }),
    cmdline,
    cpus,
    nodes: 1 + Math.max(0, ...rows.map(({ node }) => node), ...(snapshot.sysNode?.nodes ?? []).map(({ node }) => node)),
  }
}

/** A machine with a frame for each slab that is on a list; each node has a part of memory. */
function machineFor({ setup, cmdline, cpus, nodes }: Boot, caches: readonly SlabSysfsCache[], folders: number): Sys {
  const { kernel } = setup
  const listed = (cache: SlabSysfsCache): number => {
    const counters = givenCounters(cache, nodes, cpus)
    return counters?.nodes.reduce((sum, { partial, cpuSlabs }) => sum + partial + cpuSlabs, 0) ?? 0
  }
  const block = 2 ** (kernel.NR_PAGE_ORDERS - 1)
  const frames = Math.ceil((caches.reduce((sum, cache) => sum + listed(cache), 0) + 1) / block) * block
  const normal = zone_type(kernel, 'Normal')
  const ranges = Array.from({ length: nodes }, (_, node) => ({
    node,
    start_pfn: node * frames,
    end_pfn: (node + 1) * frames,
  }))
  const extents = ranges.flatMap(({ node, start_pfn }) =>
    kernel.zones.map((_, type) => {
      const pages = type === normal ? frames : 0
      return { node, type, start_pfn: pages === 0 ? 0 : start_pfn, spanned_pages: pages, present_pages: pages }
    }),
  )
  const cpu_node = new Array<number>(cpus).fill(0)
  const distance = new Array<number>(nodes ** 2).fill(10)
  const layout = { kernel, nr_nodes: nodes, cpu_node, distance, ranges, extents, movable_zone: normal }
  const sys = setup_zones(layout, false, { nr_kmem_caches: folders })
  touch_all_blocks(sys)
  note_slab_setup(sys, { ...setup, cmdline, totalram_pages: 0 })
  return sys
}

/** The cache of a folder in the machine; null where no request explains it. */
function fillCache(sys: Sys, setup: SlabSetup, cache: SlabSysfsCache, links: readonly string[]): number | null {
  const { name, attributes } = cache
  const found = explained(setup, cache)
  const counters = givenCounters(cache, sys.nr_nodes, sys.nr_cpus)
  if (found === null || counters === null) return null
  const { kmem_cache } = sys
  const row = kmem_cache.used.indexOf(0)
  const ctor = attributes.get('ctor') ?? ''
  kmem_cache.used[row] = 1
  kmem_cache.seq[row] = row + 1
  kmem_cache.object_size[row] = Number(attributes.get('object_size'))
  kmem_cache.size[row] = found.size
  kmem_cache.align[row] = found.align
  kmem_cache.flags[row] = found.flags
  kmem_cache.usersize[row] = Number(attributes.get('usersize'))
  kmem_cache.ctor[row] = ctor === '' ? 0 : caller_text(ctor)
  // Whose name is its own is nobody's but its user's: why is not always shown.
  kmem_cache.refcount[row] = name.startsWith(':') ? links.length : -1
  set_kmem_cache_name(sys, row, links[0] ?? name)
  for (const alias of links.slice(1)) note_alias(sys, row, alias)
  slub.create(sys, row, found)
  fillSlabs(sys, row, counters)
  return row
}

/** The geometry that gives a folder's numbers: of its own size, or of a smaller first user. */
function explained(setup: SlabSetup, { name, attributes }: SlabSysfsCache): SlubGeometry | null {
  const number = (attribute: string): number => Number(attributes.get(attribute))
  const size = number('object_size')
  const flags = flagsOf({ name, attributes, link: null, line: 0 })
  const usersize = number('usersize')
  const fits = (geometry: SlubGeometry | null): boolean =>
    geometry?.size === number('slab_size') && geometry.objects === number('objs_per_slab')
  const shared = name.startsWith(':') ? Math.max(size - 128, 0) : size - 1
  const ctors = attributes.has('ctor') ? [attributes.get('ctor') !== ''] : [false, true]
  let own: SlubGeometry | null = null
  for (let of = size; of > shared; of--)
    for (const ctor of ctors) {
      const request: CacheRequest = { name, size: of, align: number('align'), flags, ctor, usersize }
      const geometry = slub_geometry(setup, request)
      if (fits(geometry)) return geometry
      own ??= geometry
    }
  return own
}

/** Puts a cache's slabs where the capture says they are. */
function fillSlabs(sys: Sys, cache: number, { nodes, cpuPartial }: SlabCounters): void {
  const objects = sys.slub_cache.oo[cache]! & 0xffff
  nodes.forEach(({ slabs, partial, objectsPartial }, nid) => {
    const node = cache * sys.nr_nodes + nid
    sys.slub_node.nr_slabs[node] = slabs
    sys.slub_node.total_objects[node] = slabs * objects
    for (let at = 0; at < partial; at++) {
      const share = Math.floor((objectsPartial * (at + 1)) / partial) - Math.floor((objectsPartial * at) / partial)
      add_partial(sys, node, takeFrame(sys, nid, share, objects, false), true)
    }
  })
  const left = nodes.map(({ cpuSlabs }) => cpuSlabs)
  cpuPartial.forEach((slabs, cpu) => {
    const nid = left.findIndex(count => count >= slabs)
    if (slabs === 0 || nid < 0) return
    left[nid]! -= slabs
    const first = takeFrame(sys, nid, 0, objects, true)
    sys.link.link[2 * first] = -1
    sys.link.link[2 * first + 1] = slabs
    sys.slub_cpu.partial[cache * sys.nr_cpus + cpu] = first + 1
  })
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) {
    const nid = left.findIndex(count => count > 0)
    if (nid < 0) break
    left[nid]! -= 1
    sys.slub_cpu.slab[cache * sys.nr_cpus + cpu] = takeFrame(sys, nid, objects, objects, true) + 1
  }
}

/** The next frame of a node that is no slab yet. */
function takeFrame(sys: Sys, nid: number, inuse: number, objects: number, frozen: boolean): number {
  const zone = nid * sys.nr_zone_types + zone_type(sys.kernel, 'Normal')
  let pfn = sys.zone.zone_start_pfn[zone]!
  while (sys.page.mapping[pfn] !== 0) pfn++
  sys.page.mapping[pfn] = 1
  set_slab_counters(sys, pfn, inuse, objects, frozen)
  return pfn
}
