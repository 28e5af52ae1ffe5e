// Every kind of recording that `mmtwin verify` knows, in the order of its table.
import { bootKind } from './boot.ts'
import { buddyKind } from './buddy.ts'
import { cacheTracesKind } from './cache_traces.ts'
import { constantsKind } from './constants.ts'
import { cowKind, cowMemoryKind } from './cow.ts'
import { explainKinds } from './explain.ts'
import { gdtKind } from './gdt.ts'
import { gfpKind } from './gfp.ts'
import { kasanKind } from './kasan.ts'
import { kmallocKind } from './kmalloc.ts'
import { kmapKind } from './kmap.ts'
import { kmemleakKind } from './kmemleak.ts'
import { mapsKind } from './maps.ts'
import { mempolicyKind } from './mempolicy.ts'
import { mempoolKind } from './mempool.ts'
import { oomReportsKind } from './oom_reports.ts'
import { pageTablesKind } from './page_tables.ts'
import { reclaimKind, reclaimRepeatedKind } from './reclaim.ts'
import { slabKind } from './slab.ts'
import { slabGeometryKind } from './slab_geometry.ts'
import { slabSysfsKind } from './slab_sysfs.ts'
import { slobKind } from './slob.ts'
import { slubKind } from './slub.ts'
import { slubReportsKind } from './slub_reports.ts'
import { sysctlKind } from './sysctl.ts'
import type { VerifyKind } from './types.ts'
import { vmMapRamKind } from './vm_map_ram.ts'
import { vmallocKind } from './vmalloc.ts'
import { watermarksKind } from './watermarks.ts'

export type { Difference, VerifyFile, VerifyKind, VerifyResult } from './types.ts'

/** Add a kind by adding its reader. */
export const verifyKinds: readonly VerifyKind[] = [
  bootKind,
  sysctlKind,
  gfpKind,
  watermarksKind,
  buddyKind,
  mempolicyKind,
  slabGeometryKind,
  slabSysfsKind,
  slabKind,
  slobKind,
  slubKind,
  slubReportsKind,
  kasanKind,
  kmemleakKind,
  kmallocKind,
  mempoolKind,
  vmallocKind,
  vmMapRamKind,
  kmapKind,
  pageTablesKind,
  constantsKind,
  gdtKind,
  cacheTracesKind,
  ...explainKinds,
  cowKind,
  cowMemoryKind,
  mapsKind,
  reclaimKind,
  reclaimRepeatedKind,
  oomReportsKind,
]
