// What SLUB says of damaged objects (custom, Reports: `bug/slubdebug-slub_*.txt`, `bug/slubcache-slub_*.txt`, and on a
// kernel with KASAN `bug/slub_*.txt`): the same
// mistakes are made with the same cache, and the kernel's lines must come out. A check is a line.
// Taken as given: the frame of the cache's first slab where the text names it, and the taint before the first report.
// Not compared: addresses that the kernel hashed, functions and their offsets, process, version, age of records;
// registers and call traces, which the model does not have.
import { kernel_for_release, with_config } from '../kernels/index.ts'
import { __GFP_DMA32, __GFP_NOWARN, GFP_KERNEL } from '../mm/gfp.ts'
import { kasan_set_task } from '../mm/kasan_stack.ts'
import { caller_text } from '../mm/kernel_text.ts'
import {
  kmem_cache_alloc,
  kmem_cache_create,
  kmem_cache_destroy,
  kmem_cache_free,
  kmem_cache_shrink,
} from '../mm/kmem_cache.ts'
import type { Sys } from '../mm/mmzone.ts'
import { __alloc_pages } from '../mm/page_alloc/alloc_pages.ts'
import { write_u8 } from '../mm/physmem.ts'
import { SLAB_CONSISTENCY_CHECKS, SLAB_POISON, SLAB_RED_ZONE, SLAB_STORE_USER } from '../mm/slab_flags.ts'
import { RecordedFrames } from './recorded_frames.ts'
import { type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

/** The recorder's kernels without KASAN have a word before the mistake's name. */
const REPORT_FILE = /(^|\/)bug\/(slubdebug-|slubcache-)?slub_(\w+)\.txt$/
const FLAGS = SLAB_POISON | SLAB_RED_ZONE | SLAB_STORE_USER | SLAB_CONSISTENCY_CHECKS
const OBJECT_BYTES = 64
const PAGE_BYTES = 4096
/** Where the cache's first slab lies if the text does not say. */
const SOME_FRAME = 0x2700
const TAINT_LETTERS = 'PFSRMBUDAWCIOELKXTN'

/** A mistake: what is done with the first object of a new cache. The cache is destroyed afterwards. */
type Mistake = (sys: Sys, cache: number, object: number) => void

/** Takes another object and gives it back, and the empty slabs. */
function again(sys: Sys, cache: number): void {
  kmem_cache_free(sys, cache, kmem_cache_alloc(sys, cache, GFP_KERNEL))
  kmem_cache_shrink(sys, cache)
}

/** A mistake with an object in use, which is given back then. */
const inUse =
  (wrong: Mistake): Mistake =>
  (sys, cache, object) => {
    wrong(sys, cache, object)
    kmem_cache_free(sys, cache, object)
    again(sys, cache)
  }

const MISTAKES: Readonly<Record<string, Mistake>> = {
  redzone_right: inUse((sys, _cache, object) => write_u8(sys, object + OBJECT_BYTES, 0x12)),
  redzone_left: inUse((sys, _cache, object) => write_u8(sys, object - 1, 0x12)),
  double_free: inUse(kmem_cache_free),
  invalid_free: inUse((sys, cache, object) => kmem_cache_free(sys, cache, object + 8)),
  leak_destroy: () => {},
  padding: inUse((sys, _cache, object) =>
    write_u8(sys, Math.floor(object / PAGE_BYTES) * PAGE_BYTES + PAGE_BYTES - 1, 0x77),
  ),
  poison: (sys, cache, object) => {
    kmem_cache_free(sys, cache, object)
    write_u8(sys, object + 4, 0x12)
    again(sys, cache)
  },
}

/** Kind `slub reports` of `mmtwin verify`. */
export const slubReportsKind: VerifyKind = {
  kind: 'slub reports',
  run: files => {
    const counts = tally('slub reports')
    for (const file of files) {
      const found = REPORT_FILE.exec(file.path)
      if (found !== null) verifyFile(file, found[3]!, found[2] === undefined, counts)
    }
    return counts.result()
  },
}

interface ReportLine {
  readonly line: number
  readonly text: string
}

function verifyFile(file: VerifyFile, name: string, KASAN: boolean, counts: Tally): void {
  counts.file(file.path)
  const text = file.text()
  const recorded = reportLines(text)
  const mistake = MISTAKES[name]
  if (mistake === undefined || (recorded.length === 0 && !KASAN)) {
    counts.check(1, 'a report of a mistake that is known', name)
    return
  }
  const hashed = text.includes('(____ptrval____)')
  const said = repeatMistake(text, mistake, KASAN).map((each, at) => ({ line: at, text: each }))
  const got = withoutKasan(said).map(({ text: line }) => comparable(line, hashed))
  for (const [at, { line, text: expected }] of recorded.entries())
    counts.check(line, comparable(expected, hashed), got[at] ?? 'nothing more is said')
  for (const more of got.slice(recorded.length)) counts.check(recorded.at(-1)?.line ?? 1, 'nothing more', more)
}

/** Lines of a log that reports consist of: not the call traces, registers and other messages between them. */
function reportLines(text: string): ReportLine[] {
  const lines = text.split('\n').map((line, at) => ({ line: at + 1, text: line }))
  return withoutKasan(lines).flatMap(({ line, text: each }, at, all) => {
    // kmemleak says where it was asked.
    if (all[at - 1]?.text.includes('kmemleak: ')) return []
    const said = /^<3>(?!debugfs)(.*)$/.exec(each) ?? WARNED.exec(each)
    return said === null ? [] : [{ line, text: said[1]! }]
  })
}

/** Lines without KASAN's reports, each between two rules, and the word about taint behind one: kasan.ts compares them. */
function withoutKasan(lines: readonly ReportLine[]): ReportLine[] {
  const left: ReportLine[] = []
  for (let at = 0; at < lines.length; at++) {
    if (!/BUG: KASAN: /.test(lines[at + 1]?.text ?? '')) {
      left.push(lines[at]!)
      continue
    }
    at = lines.findIndex(({ text }, end) => end > at && KASAN_RULE.test(text))
    if (at < 0) break
    if (lines[at + 1]?.text.includes('Disabling lock debugging')) at++
  }
  return left
}

const KASAN_RULE = /^(<\d>)?={66}$/
const WARNED = /^<4>(CPU: .*|-{12}.*|---\[.*|WARNING: .*|kmem_cache_destroy .*|Disabling lock debugging.*)$/

/** A line without what is not compared. */
function comparable(line: string, hashed: boolean): string {
  const plain = line
    .replace(/PID: \d+ Comm: \S+/, 'PID: 1 Comm: init')
    .replace(/PID: \d+ at /, 'PID: 1 at ')
    .replace(/\d+\.\d+(\.\d+)?( #\d+)? $/, 'VERSION')
    .replace(/(in|at|from) (?!0x)[\w.]+(\+0x[0-9a-f]+\/0x[0-9a-f]+)?/, '$1 FUNCTION')
    .replace(/age=\d+/, 'age=0')
    .replace(/pid=\d+/, 'pid=1')
  // Which stack the free record names: the kernel's number of it. It is the sixteen bytes' last word.
  const stack = plain.replace(/^(Object {3}\S+: (?:[0-9a-f]{2} ){8}01 00 00 00) .*$/, '$1 STACK')
  return hashed ? stack.replace(/0x(?!0{16})[0-9a-f]{16}(?!\()|\b[0-9a-f]{16}(?=:)/g, hash) : stack
}

const hash = (address: string): string => (address.startsWith('0x') ? '0x(____ptrval____)' : '(____ptrval____)')

/** Makes the mistake on a machine like the recorded one; what it says. */
function repeatMistake(text: string, mistake: Mistake, KASAN: boolean): string[] {
  const sys = machine(firstFrame(text), KASAN)
  const said: string[] = []
  sys.printk = line => said.push(line)
  sys.slab_state.taint[0] = taintOf(text)
  sys.slab_state.caller[0] = caller_text('mt_cmd_bug')
  kasan_set_task(sys, 'init', 1)
  const cache = kmem_cache_create(sys, 'mtbug', OBJECT_BYTES, 0, FLAGS)
  mistake(sys, cache, kmem_cache_alloc(sys, cache, GFP_KERNEL))
  kmem_cache_destroy(sys, cache)
  return said
}

/** The frame that the first struct page in a text stands for. */
function firstFrame(text: string): number {
  const page = /^<3>Slab 0xffffea00([0-9a-f]{8}) /m.exec(text)?.[1]
  return page === undefined ? SOME_FRAME : Number.parseInt(page, 16) / 64
}

function taintOf(text: string): number {
  const letters = /\(Tainted: (.{19})\)/.exec(text.slice(0, text.indexOf('): ') + 1))?.[1] ?? ''
  return Array.from(letters).reduce(
    (bits, letter, bit) => (letter === TAINT_LETTERS[bit] ? bits | (1 << bit) : bits),
    0,
  )
}

/** A machine without memory but two frames of the zone DMA32, the first of which is taken first. */
function machine(frame: number, KASAN: boolean): Sys {
  const base = kernel_for_release('6.1', 'x86_64')!
  const config = {
    KASAN,
    ...(KASAN ? { SMP: false, SLUB_CPU_PARTIAL: false } : {}),
    NUMA: false,
    NUMA_EMU: false,
    NUMA_BALANCING: false,
    ZONE_DEVICE: false,
    SLAB_FREELIST_HARDENED: false,
    SLAB_FREELIST_RANDOM: false,
    MEMCG_KMEM: false,
  }
  const kernel = with_config(base, config, { name: `${base.name}-recorded` })
  const frames = new RecordedFrames(kernel, 1, frame + 4, GFP_KERNEL | __GFP_DMA32, 0)
  const { sys } = frames
  while (__alloc_pages(sys, GFP_KERNEL | __GFP_NOWARN, kernel.NR_PAGE_ORDERS - 1, 0) >= 0);
  while (__alloc_pages(sys, GFP_KERNEL | __GFP_NOWARN, 0, 0) >= 0);
  frames.offer(frame ^ 2)
  frames.offer(frame)
  return sys
}
