// Reports of KASAN (custom, Reports: `bug/*.txt`): the same mistake is made on a machine with the same memory, and the
// kernel's lines must come out. A check is a line.
// Taken as given: addresses of the access and of the memory that it was meant for, the code that does it, the task, who
// had the object, and the shadow of memory that is no part of the mistake (of objects only whether they are in use).
// Not compared: the trace of calls and registers, the kernel's version, words of struct page that are addresses.

import { kasan_check_range } from '../mm/kasan.ts'
import { direct_paddr } from '../mm/kasan_shadow.ts'
import { kasan_set_stack, kasan_set_task } from '../mm/kasan_stack.ts'
import { caller_text } from '../mm/kernel_text.ts'
import { kfree } from '../mm/kmalloc.ts'
import { kmem_cache_free, kmem_cache_named } from '../mm/kmem_cache.ts'
import type { Sys } from '../mm/mmzone.ts'
import { NO_CACHE } from '../mm/slab_allocator.ts'
import { MEMORY } from './kasan_memory.ts'
import { type RecordedReport, recordedReport } from './kasan_text.ts'
import { type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

const REPORT_FILE = /(^|\/)bug\/(\w+)\.txt$/

/** A mistake of the recorder: what memory it is about, and where in it the access lies. */
type Mistake = readonly [memory: keyof typeof MEMORY, bytes: number, offset: number, freed?: boolean]

const MISTAKES: Readonly<Record<string, Mistake>> = {
  oob_right: ['kmalloc', 128, 128],
  oob_right_read: ['kmalloc', 128, 131],
  oob_left: ['kmalloc', 128, -1],
  uaf_read: ['kmalloc', 128, 8, true],
  uaf_write: ['kmalloc', 128, 8, true],
  double_free: ['kmalloc', 128, 0, true],
  invalid_free: ['kmalloc', 128, 16],
  page_oob: ['large', 16374, 16379],
  page_uaf: ['large', 16374, 0, true],
  vmalloc_oob: ['vmalloc', 2000, 2008],
  global_oob: ['global', 10, 10],
  stack_oob: ['stack', 10, 10],
  slub_redzone_right: ['cache', 64, 64],
  slub_redzone_left: ['cache', 64, -1],
  slub_double_free: ['cache', 64, 0, true],
  slub_invalid_free: ['cache', 64, 8],
  slub_poison: ['cache', 64, 4, true],
  slub_padding: ['cache', 64, 4087],
}

/** Kind `kasan reports` of `mmtwin verify`. */
export const kasanKind: VerifyKind = {
  kind: 'kasan reports',
  run: files => {
    const counts = tally('kasan reports')
    for (const file of files) {
      const name = REPORT_FILE.exec(file.path)?.[2]
      if (name !== undefined && file.text().includes('BUG: KASAN: ')) verifyFile(file, name, counts)
    }
    return counts.result()
  },
}

function verifyFile(file: VerifyFile, name: string, counts: Tally): void {
  counts.file(file.path)
  const report = recordedReport(file.text())
  const mistake = MISTAKES[name]
  if (report === null || mistake === undefined) {
    counts.check(1, 'a report of a mistake that is known', name)
    return
  }
  const got = comparable(repeat(report, mistake))
  const expected = comparable(report.lines.map(({ text }) => text))
  for (const [at, { line }] of report.lines.entries())
    counts.check(line, expected[at]!, got[at] ?? 'nothing more is said')
  for (const more of got.slice(report.lines.length)) counts.check(report.lines.at(-1)!.line, 'nothing more', more)
}

/** Lines without what is not compared. */
function comparable(lines: readonly string[]): string[] {
  return lines.map((line, at) => {
    const plain = line.replace(/(Not tainted|Tainted: .{19}) \d+\.\d+(\.\d+)?( #\d+)? $/, '$1 VERSION')
    const first = lines[at - 1]?.startsWith('flags: ') === true
    return first ? plain.replace(/^(raw: [0-9a-f]{16}).*$/, '$1 LINKS') : plain
  })
}

/** Makes the mistake on a machine like the recorded one; what it says, or why there is no such machine. */
function repeat(report: RecordedReport, [memory, bytes, offset, freed = false]: Mistake): string[] {
  const said: string[] = []
  try {
    const sys = MEMORY[memory]({ report, bytes, offset, freed })
    kasan_set_task(sys, report.comm, report.pid)
    kasan_set_stack(sys, [])
    sys.printk = line => said.push(line)
    access(sys, report)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    said.push(error.message)
  }
  return said
}

function access(sys: Sys, { kind, address, size, ip }: RecordedReport): void {
  if (kind !== 'Free') {
    kasan_check_range(sys, address, size, kind === 'Write', ip)
    return
  }
  // The kernel names the code that called the function that frees.
  sys.slab_state.caller[0] = caller_text(ip)
  const object = direct_paddr(sys, address)
  const cache = kmem_cache_named(sys, 'mtbug')
  if (cache === NO_CACHE) kfree(sys, object)
  else kmem_cache_free(sys, cache, object)
}
