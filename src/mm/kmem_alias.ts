// Names of users that joined a cache that was there already. They are links of /sys/kernel/slab: one stays until its
// cache goes, or until somebody else takes the name. Law: a name is there once.
import { kmem_cache_name, read_text, write_text } from './kmem_cache_rows.ts'
import type { Sys } from './mmzone.ts'
import { KMEM_CACHE_NAME_BYTES } from './slab_tables.ts'

/** Notes the name of one who joined a cache; kernels without SLUB keep none. @kernel mm/slub.c:sysfs_slab_alias */
export function note_alias(sys: Sys, cache: number, name: string): void {
  const { kmem_alias } = sys
  const rows = kmem_alias.cache.length
  if (rows === 0 || kmem_cache_name(sys, cache) === name) return
  for (let row = 0; row < rows; row++)
    if (kmem_alias.cache[row] !== 0 && alias_name(sys, row) === name) forget(sys, row)
  const row = kmem_alias.cache.indexOf(0)
  if (row < 0) throw new RangeError(`all ${rows} names of joined caches are in use; raise the shape's nr_kmem_caches`)
  kmem_alias.cache[row] = cache + 1
  write_text(kmem_alias.name, row, KMEM_CACHE_NAME_BYTES, name)
}

function alias_name(sys: Sys, row: number): string {
  return read_text(sys.kmem_alias.name, row, KMEM_CACHE_NAME_BYTES)
}

function forget(sys: Sys, row: number): void {
  sys.kmem_alias.cache[row] = 0
  write_text(sys.kmem_alias.name, row, KMEM_CACHE_NAME_BYTES, '')
}

/** Names of those who joined a cache, beside its own. @ours */
export function alias_names(sys: Sys, cache: number): string[] {
  const { kmem_alias } = sys
  const rows = Array.from(kmem_alias.cache.keys()).filter(row => kmem_alias.cache[row] === cache + 1)
  return rows.map(row => alias_name(sys, row))
}

/** The cache goes, and with it the links to it. @kernel mm/slub.c:sysfs_slab_unlink */
export function forget_aliases(sys: Sys, cache: number): void {
  const { kmem_alias } = sys
  for (let row = 0; row < kmem_alias.cache.length; row++) if (kmem_alias.cache[row] === cache + 1) forget(sys, row)
}
