// Rows of caches: their names, their order, the setup that they were made with.
import type { Sys } from './mmzone.ts'
import { type SlabSetup, slab_setup } from './slab_common.ts'
import { KMEM_CACHE_NAME_BYTES, SLAB_CMDLINE_BYTES } from './slab_tables.ts'

/** ASCII text of a row. @ours */
export function read_text(bytes: Uint8Array, row: number, width: number): string {
  let text = ''
  for (let at = row * width; at < (row + 1) * width && bytes[at] !== 0; at++) text += String.fromCharCode(bytes[at]!)
  return text
}

/** @ours */
export function write_text(bytes: Uint8Array, row: number, width: number, text: string): void {
  bytes.fill(0, row * width, (row + 1) * width)
  for (let at = 0; at < text.length; at++) bytes[row * width + at] = text.charCodeAt(at)
}

/** Name of a cache. @ours */
export function kmem_cache_name(sys: Sys, cache: number): string {
  return read_text(sys.kmem_cache.name, cache, KMEM_CACHE_NAME_BYTES)
}

/** @ours */
export function set_kmem_cache_name(sys: Sys, cache: number, name: string): void {
  write_text(sys.kmem_cache.name, cache, KMEM_CACHE_NAME_BYTES, name)
}

/** Whether a text can be a cache's name: 1 … 63 printable ASCII characters. @ours */
export function is_cache_name(name: string): boolean {
  return name.length > 0 && name.length < KMEM_CACHE_NAME_BYTES && /^[\x20-\x7e]+$/.test(name)
}

/** Rows of the caches that exist, the oldest first. @kernel mm/slab_common.c:slab_caches */
export function cache_rows(sys: Sys): number[] {
  const { used, seq } = sys.kmem_cache
  const rows: number[] = []
  for (let cache = 0; cache < used.length; cache++) if (used[cache] === 1) rows.push(cache)
  return rows.sort((a, b) => seq[a]! - seq[b]!)
}

/** Words of a command line that caches depend on. */
const OPTION = /^(sl[au]b_|slub_)/

/** Notes what boot says of caches; a RangeError where that is too much. @ours */
export function note_slab_setup(
  sys: Sys,
  {
    cmdline,
    nr_cpus,
    cache_line_size,
    totalram_pages,
  }: Pick<SlabSetup, 'nr_cpus'> & {
    cmdline: string
    cache_line_size: number
    totalram_pages: number
  },
): void {
  const words = cmdline.split(/\s+/).filter(word => OPTION.test(word))
  const text = words.join(' ').replace(/[^\x20-\x7e]/g, '?')
  if (text.length > SLAB_CMDLINE_BYTES)
    throw new RangeError(`options of caches have ${text.length} characters, there is room for ${SLAB_CMDLINE_BYTES}`)
  const { slab_state } = sys
  write_text(slab_state.cmdline, 0, SLAB_CMDLINE_BYTES, text)
  slab_state.nr_cpu_ids[0] = nr_cpus
  slab_state.cache_line_size[0] = cache_line_size
  slab_state.totalram_pages[0] = totalram_pages
}

/** The setup that a machine's caches are made with. @ours */
export function slab_setup_of(sys: Sys): SlabSetup {
  const { nr_cpu_ids, cache_line_size, totalram_pages, cmdline } = sys.slab_state
  const [line, pages] = [cache_line_size[0]!, totalram_pages[0]!]
  return slab_setup(sys.kernel, {
    nr_cpus: nr_cpu_ids[0]! || sys.nr_cpus,
    cmdline: read_text(cmdline, 0, SLAB_CMDLINE_BYTES),
    ...(line > 0 ? { cache_line_size: line } : {}),
    ...(pages > 0 ? { totalram_pages: pages } : {}),
  })
}
