// How much a kernel differs from itself: the runs of the reclaim recordings made again with the same kernels, memory and
// program, by us. Each line: kernel, MiB of memory, LRU, anonymous pages, pages of the file, touches, pattern, swappiness;
// outcome, pswpin, pswpout, pgmajfault, pgsteal. Looked up by what was run, never by a recording's name.
import type { Snapshot } from '../report/snapshot.ts'
import type { MempatRun } from './mempat.ts'

/** What a run did. */
export interface ReclaimRepeat {
  readonly killed: boolean
  readonly pswpin: number
  readonly pswpout: number
  readonly pgmajfault: number
  readonly pgsteal: number
}

/** What further recordings of this run did; none where it was not recorded again. `lruGen`: bits of MGLRU, 0 = classic. */
export function reclaimRepeats(
  { release, zoneinfo }: Snapshot,
  lruGen: number,
  run: MempatRun,
  swappiness: number,
): ReclaimRepeat[] {
  const kernel = /^\d+\.\d+/.exec(release ?? '')?.[0] ?? ''
  const pages = (zoneinfo?.zones ?? []).reduce((sum, zone) => sum + zone.pages.present, 0)
  // What the firmware keeps is less than a MiB.
  const memory = Math.ceil(pages / 256)
  const lru = lruGen === 0 ? 'classic' : 'mglru'
  const { anon, file, touches, pattern } = run
  const key = `${kernel} ${memory} ${lru} ${anon} ${file} ${touches} ${pattern} ${swappiness} `
  return REPEATS.split('\n')
    .filter(line => line.startsWith(key))
    .map(line => repeatOf(line.slice(key.length).split(' ')))
}

function repeatOf([outcome, ...numbers]: readonly string[]): ReclaimRepeat {
  const [pswpin = 0, pswpout = 0, pgmajfault = 0, pgsteal = 0] = numbers.map(Number)
  return { killed: outcome === 'killed', pswpin, pswpout, pgmajfault, pgsteal }
}

const REPEATS = `
6.1 192 classic 30000 10000 40000 seq 0 ran 4684 8882 10616 18103
6.1 192 classic 30000 10000 40000 seq 100 ran 3656 8428 10488 17227
6.1 192 classic 30000 10000 40000 seq 60 ran 29613 32320 13788 43169
6.1 192 classic 30000 10000 40000 uniform 0 ran 2707 6829 12344 16000
6.1 192 classic 30000 10000 40000 uniform 100 ran 4698 12356 12470 16109
6.1 192 classic 30000 10000 40000 uniform 60 ran 4261 11541 12075 15756
6.1 192 classic 30000 10000 40000 zipf 0 ran 1168 5086 7615 11215
6.1 192 classic 30000 10000 40000 zipf 100 ran 2013 8918 5196 9176
6.1 192 classic 30000 10000 40000 zipf 60 ran 1804 8729 5289 9121
6.1 320 classic 62000 20000 60000 seq 0 killed 119 2269 36 2145
6.1 320 classic 62000 20000 60000 seq 100 ran 59539 63685 7556 64047
6.1 320 classic 62000 20000 60000 seq 60 ran 59269 63310 7525 63065
6.1 320 classic 62000 20000 60000 uniform 0 ran 2007 5983 16426 20187
6.1 320 classic 62000 20000 60000 uniform 100 ran 5705 18805 16705 20771
6.1 320 classic 62000 20000 60000 uniform 60 ran 5326 16734 16706 20801
6.1 320 classic 62000 20000 60000 zipf 0 killed 992 4867 7984 12009
6.1 320 classic 62000 20000 60000 zipf 100 ran 2191 11322 7247 11665
6.1 320 classic 62000 20000 60000 zipf 60 ran 2095 10661 7411 11872
6.1 192 mglru 30000 10000 40000 seq 0 killed 0 0 0 0
6.1 192 mglru 30000 10000 40000 seq 100 ran 29971 35349 13779 44227
6.1 192 mglru 30000 10000 40000 seq 60 ran 30096 34730 13802 43606
6.1 192 mglru 30000 10000 40000 uniform 0 killed 0 0 0 1
6.1 192 mglru 30000 10000 40000 uniform 100 ran 5988 16195 12031 15973
6.1 192 mglru 30000 10000 40000 uniform 60 ran 6367 16320 12389 16215
6.1 192 mglru 30000 10000 40000 zipf 0 killed 0 0 0 1
6.1 192 mglru 30000 10000 40000 zipf 100 ran 2148 9841 5223 9644
6.1 192 mglru 30000 10000 40000 zipf 60 ran 1867 9026 5034 8940
6.12 192 classic 30000 10000 40000 seq 0 ran 0 1070 10000 9693
6.12 192 classic 30000 10000 40000 seq 100 ran 0 2459 10000 10043
6.12 192 classic 30000 10000 40000 seq 60 ran 0 1589 10000 10215
6.12 192 classic 30000 10000 40000 uniform 0 ran 0 556 9402 9241
6.12 192 classic 30000 10000 40000 uniform 100 ran 960 3543 9514 9794
6.12 192 classic 30000 10000 40000 uniform 60 ran 1768 4310 10121 10925
6.12 192 classic 30000 10000 40000 zipf 0 ran 0 1177 4315 4190
6.12 192 classic 30000 10000 40000 zipf 100 ran 667 2816 4743 5008
6.12 192 classic 30000 10000 40000 zipf 60 ran 249 2700 4029 4120
6.12 320 classic 80000 16000 120000 seq 1 ran 96428 90646 30945 130855
6.12 320 classic 80000 16000 120000 seq 100 ran 99313 93055 31290 133617
6.12 320 classic 80000 16000 120000 seq 60 ran 90744 82321 30093 125101
6.12 320 classic 80000 16000 120000 uniform 1 ran 21757 41327 41394 59694
6.12 320 classic 80000 16000 120000 uniform 100 ran 23453 44434 40846 59700
6.12 320 classic 80000 16000 120000 uniform 60 ran 23620 44065 41561 59957
6.12 320 classic 80000 16000 120000 zipf 1 ran 8506 28902 20493 39293
6.12 320 classic 80000 16000 120000 zipf 100 ran 9207 32335 17312 36213
6.12 320 classic 80000 16000 120000 zipf 60 ran 8938 31723 17236 36066
6.12 320 mglru 62000 20000 60000 seq 0 killed 0 0 0 0
6.12 320 mglru 62000 20000 60000 seq 100 ran 0 517 0 455
6.12 320 mglru 62000 20000 60000 seq 60 ran 537 1819 75 1662
6.12 320 mglru 62000 20000 60000 uniform 0 killed 0 0 0 0
6.12 320 mglru 62000 20000 60000 uniform 100 ran 758 3308 14089 14337
6.12 320 mglru 62000 20000 60000 uniform 60 ran 2386 7703 14136 15005
6.12 320 mglru 62000 20000 60000 zipf 0 killed 0 0 0 0
6.12 320 mglru 62000 20000 60000 zipf 100 ran 868 6803 6390 7430
6.12 320 mglru 62000 20000 60000 zipf 60 ran 805 7760 6092 7720
`
