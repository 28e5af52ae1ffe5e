// What `explain` answers: the JSON that users see, see docs/explain.md.
import type { Diagnostic } from '../proc/lines.ts'
import type { ReportKind } from './facts.ts'

/** Why a request failed. */
export type ReasonCode =
  | 'memcg-limit'
  | 'anon-no-swap'
  | 'anon-swap-unused'
  | 'swap-full'
  | 'shmem-full'
  | 'slab-unreclaimable'
  | 'kernel-unaccounted'
  | 'lowmem-exhausted'
  | 'zone-exhausted'
  | 'nodes-bound'
  | 'no-usable-zone'
  | 'mlocked'
  | 'hugetlb-pool'
  | 'reserve-too-high'
  | 'cma-only'
  | 'fragmentation'
  | 'atomic-below-watermark'
  | 'reserve-exhausted'
  | 'page-cache-dirty'
  | 'size-impossible'
  | 'address-space-full'
  | 'pagefault-oom'
  | 'manual'
  | 'not-a-failure'
  | 'unknown'

/** Which check said no. */
export type FailingCheck =
  | 'min-watermark'
  | 'lowmem-reserve'
  | 'no-free-block'
  | 'zone-not-allowed'
  | 'memcg-limit'
  | 'address-space'
  | 'none'

/** A sentence and the lines of the input that prove it. */
export interface Sentence {
  readonly text: string
  readonly evidence: readonly number[]
}

/** What one could do; `setting` is what to change, where it is a setting. */
export interface Advice {
  readonly text: string
  readonly setting: string | null
}

export interface Failing {
  readonly node: number | null
  readonly zone: string | null
  readonly check: FailingCheck
  readonly freeKB: number | null
  /** Free memory had to be more than this (for a memory cgroup: how much was asked for). */
  readonly neededKB: number | null
  /** Free memory that this request may count, where that is less than all. */
  readonly usableKB?: number
}

export interface ZoneAnswer {
  readonly node: number
  readonly name: string
  readonly freeKB: number
  readonly minKB: number | null
  readonly lowKB: number | null
  readonly highKB: number | null
  readonly presentKB: number | null
  readonly managedKB: number | null
  readonly lowmemReserve: readonly number[]
  /** Free blocks by order; null where their line is missing or does not add up. */
  readonly freeBlocks: readonly number[] | null
  /** The line that says it. */
  readonly line: number
}

export interface VictimAnswer {
  readonly pid: number
  readonly name: string
  readonly printedRssKB: number | null
  readonly predictedPid: number | null
  /** Pages, of the killed process. */
  readonly score: number | null
}

export interface WhatIf {
  readonly settings: Readonly<Record<string, string>>
  readonly wouldSucceed: boolean
  readonly explanation: readonly Sentence[]
}

/** One report, explained. */
export interface ExplainedReport {
  readonly line: number
  readonly kind: ReportKind
  readonly kernel: string | null
  readonly process: { readonly name: string; readonly pid: number | null } | null
  readonly gfp: { readonly mask: string; readonly names: readonly string[] } | null
  readonly order: number | null
  readonly constraint: 'none' | 'memcg' | 'cpuset' | 'mempolicy' | null
  readonly pageSize: number | null
  readonly zones: readonly ZoneAnswer[]
  readonly failing: Failing | null
  readonly reason: ReasonCode
  readonly also: readonly ReasonCode[]
  readonly victim: VictimAnswer | null
  readonly explanation: readonly Sentence[]
  readonly advice: readonly Advice[]
  readonly whatIf?: WhatIf
}

export interface Explanation {
  readonly reports: readonly ExplainedReport[]
  readonly diagnostics: readonly Diagnostic[]
}
