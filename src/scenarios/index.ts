// All stories, in the order in which a lecture would tell them.
import { beladysAnomaly } from './beladys_anomaly.ts'
import { buddySplitAndMerge } from './buddy_split_and_merge.ts'
import { faultsAndSignals } from './faults_and_signals.ts'
import { forkAndCow } from './fork_and_cow.ts'
import { forkAndExec } from './fork_and_exec.ts'
import { fragmentation } from './fragmentation.ts'
import { highmemExhausted } from './highmem_exhausted.ts'
import { hugePageSplit } from './huge_page_split.ts'
import { kernelStackOverflow } from './kernel_stack_overflow.ts'
import { kmapFlush } from './kmap_flush.ts'
import { kswapdLowHigh } from './kswapd_low_high.ts'
import { mempoolReserve } from './mempool_reserve.ts'
import { numaSpill } from './numa_spill.ts'
import { order3Failure } from './order3_failure.ts'
import { perCpuDrain } from './per_cpu_drain.ts'
import type { Scenario } from './scenario.ts'
import { secondChance } from './second_chance.ts'
import { segmentsLdt } from './segments_ldt.ts'
import { slabAlienCaches } from './slab_alien_caches.ts'
import { slabArrayCache } from './slab_array_cache.ts'
import { slabColouring } from './slab_colouring.ts'
import { slobNextFit } from './slob_next_fit.ts'
import { slubCpuPartial } from './slub_cpu_partial.ts'
import { swapFull } from './swap_full.ts'
import { vmallocExhausted } from './vmalloc_exhausted.ts'
import { zoneFallback } from './zone_fallback.ts'
import { zswapPool } from './zswap_pool.ts'

export {
  bootScenario,
  playScenario,
  repeatScenario,
  type Scenario,
  Stage,
  type Step,
  type ToldStep,
} from './scenario.ts'

export const scenarios: readonly Scenario[] = [
  buddySplitAndMerge,
  fragmentation,
  perCpuDrain,
  zoneFallback,
  highmemExhausted,
  kmapFlush,
  vmallocExhausted,
  numaSpill,
  order3Failure,
  slubCpuPartial,
  slabArrayCache,
  slabColouring,
  slabAlienCaches,
  slobNextFit,
  mempoolReserve,
  kernelStackOverflow,
  segmentsLdt,
  beladysAnomaly,
  forkAndCow,
  forkAndExec,
  faultsAndSignals,
  hugePageSplit,
  secondChance,
  kswapdLowHigh,
  swapFull,
  zswapPool,
]
