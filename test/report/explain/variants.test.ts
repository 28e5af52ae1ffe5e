// Layouts of all times, one small report each: what changed in twenty years of kernels must still be read.
import { describe, expect, it } from 'vitest'
import type { ExplainedReport } from '../../../src/report/explain/answer.ts'
import { cleanLines } from '../../../src/report/explain/clean_lines.ts'
import { explainText } from '../../../src/report/explain/explain.ts'

const only = (lines: readonly string[]): ExplainedReport => {
  const { reports } = explainText(lines.join('\n'))
  expect(reports.map(({ kind }) => kind)).toHaveLength(1)
  return reports[0]!
}

const ZONES_2_6_32 = [
  'Mem-Info:',
  'Node 0 DMA per-cpu:',
  'CPU    0: hi:    0, btch:   1 usd:   0',
  'active_anon:240000 inactive_anon:1000 isolated_anon:0',
  ' active_file:50 inactive_file:60 isolated_file:0',
  ' unevictable:0 dirty:0 writeback:0 unstable:0',
  ' free:3000 slab_reclaimable:1000 slab_unreclaimable:2000',
  ' mapped:50 shmem:100 pagetables:900 bounce:0',
  'Node 0 DMA free:4000kB min:60kB low:72kB high:88kB active_anon:11000kB inactive_anon:0kB active_file:0kB inactive_file:0kB unevictable:0kB isolated(anon):0kB isolated(file):0kB present:15304kB mlocked:0kB dirty:0kB writeback:0kB mapped:0kB shmem:0kB slab_reclaimable:0kB slab_unreclaimable:16kB kernel_stack:0kB pagetables:0kB unstable:0kB bounce:0kB writeback_tmp:0kB pages_scanned:0 all_unreclaimable? yes',
  'lowmem_reserve[]: 0 990 990 990',
  'Node 0 DMA32 free:4004kB min:4004kB low:5004kB high:6004kB active_anon:949000kB inactive_anon:4000kB active_file:200kB inactive_file:240kB unevictable:0kB isolated(anon):0kB isolated(file):0kB present:1013800kB mlocked:0kB dirty:0kB writeback:0kB mapped:200kB shmem:400kB slab_reclaimable:4000kB slab_unreclaimable:7984kB kernel_stack:900kB pagetables:3600kB unstable:0kB bounce:0kB writeback_tmp:0kB pages_scanned:900 all_unreclaimable? yes',
  'lowmem_reserve[]: 0 0 0 0',
  'Node 0 DMA: 0*4kB 0*8kB 0*16kB 1*32kB 0*64kB 1*128kB 1*256kB 1*512kB 1*1024kB 1*2048kB 0*4096kB = 4000kB',
  'Node 0 DMA32: 1*4kB 0*8kB 0*16kB 1*32kB 0*64kB 1*128kB 1*256kB 1*512kB 1*1024kB 1*2048kB 0*4096kB = 4004kB',
  '210 total pagecache pages',
  '0 pages in swap cache',
  'Swap cache stats: add 0, delete 0, find 0/0',
  'Free swap  = 0kB',
  'Total swap = 0kB',
  '262138 pages RAM',
  '6000 pages reserved',
]

describe('OOM kills', () => {
  it('2.6.32: mask without words, scores by run time', () => {
    const report = only([
      'hog invoked oom-killer: gfp_mask=0x280da, order=0, oom_adj=0',
      'hog cpuset=/ mems_allowed=0',
      'Pid: 1234, comm: hog Not tainted 2.6.32-5-amd64 #1',
      ...ZONES_2_6_32,
      '[ pid ]   uid  tgid total_vm      rss cpu oom_adj name',
      '[  300]     0   300     4000      300   0     -17 udevd',
      '[ 1234]  1000  1234   245000   240000   0       0 hog',
      'Out of memory: kill process 1234 (hog) score 245000 or a child',
      'Killed process 1234 (hog) vsz:980000kB, anon-rss:960000kB, file-rss:100kB',
    ])
    expect(report).toMatchObject({
      kernel: '2.6.32-5-amd64',
      process: { name: 'hog', pid: 1234 },
      reason: 'anon-no-swap',
      failing: { node: 0, zone: 'DMA32', check: 'min-watermark', freeKB: 4004, neededKB: 4004 },
      victim: { pid: 1234, name: 'hog', printedRssKB: 960100, predictedPid: null },
    })
    expect(report.gfp?.names).toEqual(['GFP_HIGHUSER_MOVABLE', '__GFP_ZERO'])
    expect(report.zones.map(({ freeBlocks }) => freeBlocks?.length)).toEqual([11, 11])
  })

  it('3.10: two lines for choice and kill, 3 % off for root, nr_ptes', () => {
    const report = only([
      'hog invoked oom-killer: gfp_mask=0x280da, order=0, oom_score_adj=0',
      'CPU: 0 PID: 1234 Comm: hog Not tainted 3.10.0-957.el7.x86_64 #1',
      ...ZONES_2_6_32,
      '[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name',
      '[  300]     0   300     4000      300      12        0         -1000 systemd-udevd',
      '[  400]     0   400   245000   240000     100        0             0 root hog',
      '[ 1234]  1000  1234   245000   239000     100        0             0 hog',
      'Out of memory: Kill process 1234 (hog) score 930 or sacrifice child',
      'Killed process 1234 (hog) total-vm:980000kB, anon-rss:955000kB, file-rss:1000kB, shmem-rss:0kB',
    ])
    expect(report.victim).toEqual({
      pid: 1234,
      name: 'hog',
      printedRssKB: 956000,
      predictedPid: 1234,
      score: 239100,
    })
  })

  it('a table with columns of the future', () => {
    const report = only([
      'hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL|__GFP_OF_THE_FUTURE), order=0, oom_score_adj=0',
      'Tasks state (memory values in pages):',
      '[  pid  ]   uid  tgid total_vm      rss rss_new pgtables_bytes swapents new_thing oom_score_adj name',
      '[     10]     0    10     1000      100      50    40960        0         9             0 sh',
      '[     11]     0    11     1000      900      50    40960        5         9             0 (sd-pam) x',
      'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=(sd-pam) x,pid=11,uid=0',
      'Memory cgroup out of memory: Killed process 11 ((sd-pam) x) total-vm:4000kB, anon-rss:3600kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:0 new:1',
    ])
    expect(report).toMatchObject({ constraint: 'memcg', reason: 'memcg-limit', pageSize: 4096 })
    expect(report.victim).toMatchObject({ pid: 11, predictedPid: 11, score: 915 })
  })

  it('a page fault that gave up', () => {
    const report = only(['a invoked oom-killer: gfp_mask=0x0(), order=0, oom_score_adj=0', ...ZONES_2_6_32])
    expect(report).toMatchObject({ reason: 'pagefault-oom', failing: null, gfp: { mask: '0x0', names: [] } })
  })
})

describe('allocation failures', () => {
  it('2.6.24: a full stop, and the mask of its time', () => {
    const report = only([
      'swapper: page allocation failure. order:3, mode:0x4020',
      'Pid: 0, comm: swapper Not tainted 2.6.24',
    ])
    expect(report).toMatchObject({ kind: 'alloc-failure', order: 3, reason: 'unknown' })
    expect(report.gfp?.names).toEqual(['__GFP_HIGH', '__GFP_COMP'])
  })

  it.each([
    ['vmalloc: allocation failure: 67108864 bytes, mode:0x14000c0(GFP_KERNEL), nodemask=(null)', null],
    ['vmalloc error: size 8192, failed to allocate pages, mode:0xcc2(GFP_KERNEL|__GFP_HIGHMEM), nodemask=(null)', null],
    ['vmalloc error: size 0, page order 9, failed to allocate pages, mode:0xcc2(GFP_KERNEL|__GFP_HIGHMEM)', 9],
  ])('%s', (said, order) => {
    expect(only([`insmod: ${said}`])).toMatchObject({ kind: 'vmalloc-failure', order, process: { name: 'insmod' } })
  })

  it('a note about the address space alone', () => {
    const report = only(['vmap allocation for size 4198400 failed: use vmalloc=<size> to increase size.'])
    expect(report).toMatchObject({ kind: 'vmalloc-failure', reason: 'address-space-full', failing: { neededKB: 4100 } })
  })

  it('pages of 64 KiB', () => {
    const report = only([
      'x: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL), nodemask=(null)',
      'Mem-Info:',
      'Node 0 Normal free:64000kB min:64000kB low:80000kB high:96000kB present:8388608kB managed:8300000kB',
      'lowmem_reserve[]: 0 0 0',
      'Node 0 Normal: 10*64kB (U) 1*128kB (U) 0*256kB 0*512kB 0*1024kB 0*2048kB 0*4096kB 0*8192kB 0*16384kB = 768kB',
    ])
    expect(report).toMatchObject({ pageSize: 65536, failing: { check: 'min-watermark', freeKB: 64000 } })
  })
})

describe('what stands before the kernel’s words', () => {
  it.each([
    ['[   10.151984] Mem-Info:', null],
    ['[   10.151984][ T5241] Mem-Info:', 'T5241'],
    ['[    0.123456] [    C1] Mem-Info:', 'C1'],
    ['<4>[   10.151984] Mem-Info:', null],
    ['<6>Mem-Info:', null],
    ['6,1234,56789,-;Mem-Info:', null],
    ['kern  :warn  : [   10.151984] Mem-Info:', null],
    ['[Di Aug 12 03:54:03 2025] Mem-Info:', null],
    ['[  +0.000012] Mem-Info:', null],
    ['Jan  6 15:48:30 linux6 kernel: [2440887.190039] Mem-Info:', null],
    ['Jan 06 15:48:30 host kernel: Mem-Info:', null],
    ['2025-11-05T17:03:31.123456+01:00 node-1 kernel: Mem-Info:', null],
    ['2025-08-12T03:54:03.123456789Z stdout F Mem-Info:', null],
    ['{"log":"Mem-Info:\\n","stream":"stdout","time":"2025-08-12T03:54:03Z"}', null],
    ['{"MESSAGE":"Mem-Info:","PRIORITY":"4"}', null],
    ['\u001b[33m[   10.151984]\u001b[0m Mem-Info:\r', null],
    ['> > > [   38.802375] Mem-Info:', null],
    ['> >>[  365.283499] Mem-Info:', null],
    ['    Mem-Info:', null],
    ['web-1  | [   10.151984] Mem-Info:', null],
  ])('%j', (line, caller) => {
    const [clean] = cleanLines([line])
    expect(clean!.text.trim()).toBe('Mem-Info:')
    expect(clean!.caller).toBe(caller)
  })

  it('rows of the process table are no time stamps', () => {
    expect(cleanLines(['[    200]     0   200     1121 bash'])[0]!.text).toBe('[    200]     0   200     1121 bash')
  })
})

it('CPUs that print into each other are told apart by their callers', () => {
  const a = (text: string): string => `[   10.000001][ T11] ${text}`
  const b = (text: string): string => `[   10.000002][ T22] ${text}`
  const zone = (free: number): string =>
    `Node 0 Normal free:${free}kB min:64kB low:80kB high:96kB present:8192kB managed:8192kB`
  const { reports } = explainText(
    [
      a('one: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL), nodemask=(null)'),
      b('two: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL), nodemask=(null)'),
      a('Mem-Info:'),
      b('Mem-Info:'),
      b(zone(20)),
      a(zone(12)),
      b('lowmem_reserve[]: 0 0 0 0 0'),
      a('lowmem_reserve[]: 0 0 0 0 0'),
    ].join('\n'),
  )
  expect(reports.map(({ process, failing }) => [process?.name, failing?.freeKB])).toEqual([
    ['one', 12],
    ['two', 20],
  ])
})

it('source text and prose are no reports', () => {
  const { reports } = explainText(
    [
      '+\tpr_warn("%s invoked oom-killer: gfp_mask=%#x(%pGg), order=%d, oom_score_adj=%hd\\n",',
      'Subject: Re: mm: mkfs.ext4 invoked oom-killer on i386',
      'mm: OOM: gfp_mask=0x100cca, order=0',
      'The page allocation failure: we saw it twice.',
      '-\tif (oc->gfp_mask && !(oc->gfp_mask & __GFP_FS))',
    ].join('\n'),
  )
  expect(reports).toEqual([])
})
