// The answer in words. Law: a sentence says what lines of the report say, and names them; what is worked out is worked
// out from numbers in those lines.
import type { Advice, Failing, ReasonCode, Sentence } from './answer.ts'
import { type Case, cannotReclaim } from './case.ts'
import type { FillCode } from './fills.ts'
import { swapReason } from './reasons.ts'
import type { Prediction, Scored } from './victim.ts'
import { count, listed, percent, size } from './words.ts'
import type { ZoneCheck } from './zone_checks.ts'

const HEADLINES: Readonly<Record<ReasonCode, string>> = {
  'memcg-limit': 'A memory cgroup has reached its limit; the machine itself has memory.',
  'anon-no-swap': 'Anonymous memory fills the zones that the request may use, and there is no swap.',
  'anon-swap-unused': 'Anonymous memory fills the zones; swap has room, but reclaim did not use it.',
  'swap-full': 'Anonymous memory fills the memory, and swap is used up.',
  'shmem-full': 'Shared memory or tmpfs holds the memory, and it cannot be reclaimed.',
  'slab-unreclaimable': 'Unreclaimable slab holds the memory: objects of the kernel that nothing frees.',
  'kernel-unaccounted': 'Most of the memory is in no counter: the kernel or a driver holds pages.',
  'lowmem-exhausted': 'The request needs low memory, which is used up; free high memory does not help.',
  'zone-exhausted': 'The request names a zone that is used up; others have memory.',
  'nodes-bound': 'The request is bound to nodes that are used up; others have memory.',
  'no-usable-zone': 'The nodes that the request is bound to have no zone that may serve it.',
  mlocked: 'Locked memory (mlock) holds the zones; it can be neither reclaimed nor swapped.',
  'hugetlb-pool': 'The memory is set aside as huge pages.',
  'reserve-too-high': 'So much memory is held back as a reserve that requests fail with memory free.',
  'cma-only': 'What is free belongs to CMA or the high-atomic reserve, which this request may not use.',
  fragmentation: 'Enough memory is free, but no free block is large enough.',
  'atomic-below-watermark': 'The request could not wait for reclaim, and free memory was below what it had to leave.',
  'reserve-exhausted': 'The request could use the reserves, and even these are used up.',
  'page-cache-dirty': 'What could be reclaimed is dirty or being written, and reclaim gave up.',
  'size-impossible': 'The request exceeds what this machine can ever give.',
  'address-space-full': 'The address space of vmalloc has no hole of that size; memory is free.',
  'pagefault-oom': 'A page fault gave up (gfp_mask=0x0): no request of its own failed; look for a failure just before.',
  manual: 'Somebody asked for this kill (SysRq-f); nothing was short.',
  'not-a-failure': 'This is a dump of the memory; nothing failed.',
  unknown: 'The report does not carry enough to tell why.',
}

/** Counters that a reason is about. */
const ABOUT: Partial<Record<ReasonCode, FillCode>> = {
  'anon-no-swap': 'anon',
  'anon-swap-unused': 'anon',
  'swap-full': 'anon',
  'shmem-full': 'shmem',
  'slab-unreclaimable': 'slab',
  'kernel-unaccounted': 'unaccounted',
  mlocked: 'mlocked',
  'hugetlb-pool': 'hugetlb',
  'page-cache-dirty': 'file',
}

/** The reason in words, with the lines that decided. */
export function headline(reason: ReasonCode, { facts, first, fills, mask }: Case): Sentence {
  const about = ABOUT[reason]
  const swap = about === 'anon' ? [facts.totalSwapKB?.line, facts.freeSwapKB?.line] : []
  const { limitKB, usageKB, path } = facts.memcg
  const cgroup = reason === 'memcg-limit' ? [path?.line, usageKB?.line, limitKB?.line, facts.scope?.line] : []
  const place = reason === 'memcg-limit' ? [] : [first?.zone.line, first?.blocks?.line, mask?.line]
  const lines = unique([facts.occasion?.line, ...place, ...swap, ...cgroup, ...(fills.fills.get(about!)?.lines ?? [])])
  return { text: HEADLINES[reason], evidence: lines.length > 0 ? lines : [facts.line] }
}

/** Who asked for what. */
export function requestSentence({ facts, mask, order, pageKB, layout }: Case): Sentence | null {
  const { process: asker, order: printed } = facts
  if (mask === null && printed === null && asker === null) return null
  const who = asker ? `${asker.value.name}${asker.value.pid === null ? '' : ` (${asker.value.pid})`}` : 'A task'
  const lines = [asker?.line, mask?.line, printed?.line].filter(line => line !== undefined)
  if (printed?.value === -1)
    return { text: `${who} ran the kill that was asked for by hand (order -1).`, evidence: unique(lines) }
  const what = facts.vmalloc?.value.bytes
    ? `${size(facts.vmalloc.value.bytes / 1024)} of vmalloc memory`
    : printed === null
      ? 'memory'
      : `${count(2 ** order, 'page')}${layout.pageSize ? ` (order ${order}, ${size(2 ** order * pageKB)})` : ` (order ${order})`}`
  const how = mask && mask.names.length > 0 ? ` with ${mask.names.join('|')}` : ''
  return { text: `${who} asked for ${what}${how}.`, evidence: unique(lines) }
}

const unique = (lines: readonly (number | undefined)[]): number[] =>
  [...new Set(lines.filter(line => line !== undefined))].sort((a, b) => a - b)

const zoneName = ({ zone: { node, name } }: ZoneCheck): string => `Node ${node} ${name}`

/** What a zone's check compared. */
export function checkSentence(check: ZoneCheck, case_: Case): Sentence {
  const { freeKB, usableKB, neededKB, markKB, reserveKB, keptKB, zone, blocks } = check
  const lines = unique([zone.line, reserveKB > 0 ? zone.reserve?.line : undefined])
  const usable =
    usableKB < freeKB ? ` (${usableKB} kB for this request${keptKB > 0 ? `; ${keptKB} kB are kept` : ''})` : ''
  const boost = zone.kb.get('boost') ?? 0
  const of =
    `${markName(check, case_)} ${markKB}${reserveKB > 0 ? ` + lowmem reserve ${reserveKB}` : ''} kB` +
    `${boost > 0 && markKB >= boost ? `, ${boost} kB of it boost` : ''}`
  const free = `${zoneName(check)} has ${freeKB} kB free${usable}`
  if (check.check === 'none')
    return { text: `${free}, above the ${neededKB} kB it must leave (${of}).`, evidence: lines }
  if (check.check !== 'no-free-block')
    return { text: `${free} and must stay above ${neededKB} kB (${of}): too little.`, evidence: lines }
  const largest = largestUsable(check)
  return {
    text: `${free}, above the ${neededKB} kB it must leave, but no block of ${blockKB(case_)} kB: ${largest}.`,
    evidence: unique([...lines, blocks!.line]),
  }
}

const blockKB = ({ order, pageKB }: Case): number => 2 ** order * pageKB

function markName({ mark }: ZoneCheck, case_: Case): string {
  if (mark === 'high') return 'high, the mark of the last try,'
  if (case_.victimLine !== null) return 'half of min for a killed task,'
  return cannotReclaim(case_) && (case_.request.bits & 0x20) !== 0 ? 'min, lowered for an atomic request,' : 'min'
}

/** The largest block that any request may take. */
function largestUsable({ blocks }: ZoneCheck): string {
  const { counts, types, unit } = blocks!
  for (let order = counts.length - 1; order >= 0; order--)
    if (counts[order]! > 0 && (types[order] === '' || /[UMER]/.test(types[order]!)))
      return `the largest that it may use has ${(unit / 1024) * 2 ** order} kB`
  return 'it may use none of the free ones'
}

/** Which zones may serve the request, where that is not all. */
export function scopeSentence({ scope, mask, facts }: Case): Sentence | null {
  if (mask === null || (scope.zones.length === 0 && facts.zones.length === 0)) return null
  const bound = scope.nodes ? `only node ${listed([...scope.nodes].map(String))}` : null
  const names = [...new Set(scope.zones.map(({ name }) => name))]
  if (names.length === 0)
    return {
      text: `It may use ${bound ?? 'these nodes'}, and there no zone that is printed: ${listed([
        ...new Set(facts.zones.map(({ node, name }) => `node ${node} ${name}`)),
      ])} may not serve it.`,
      evidence: unique([mask.line, scope.boundLine ?? undefined, ...facts.zones.map(({ line }) => line)]),
    }
  if (bound === null && scope.others.length === 0) return null
  const kept = scope.others.map(({ node, name, kb }) => `node ${node} ${name} (${size(kb.get('free') ?? 0)} free)`)
  return {
    text: `It may use ${bound ? `${bound}, there ` : ''}${names.length === 1 ? 'zone' : 'zones'} ${listed(names)}${kept.length > 0 ? `, not ${listed(kept)}` : ''}.`,
    evidence: unique([
      mask.line,
      scope.boundLine ?? undefined,
      ...[...scope.zones, ...scope.others].map(({ line }) => line),
    ]),
  }
}

const FILL_WORDS: Readonly<Record<FillCode, string>> = {
  anon: 'anonymous memory',
  file: 'page cache',
  shmem: 'shared memory',
  slab: 'unreclaimable slab',
  unaccounted: 'in no counter',
  mlocked: 'locked',
  hugetlb: 'huge pages',
  pagetables: 'page tables',
}

/** What holds the memory: everything above three per cent, the largest first. */
export function fillSentence({ fills: { fills, managedKB, managedLines } }: Case): Sentence | null {
  if (!managedKB) return null
  const large = [...fills.values()].filter(({ kB }) => kB > managedKB * 0.03).sort((a, b) => b.kB - a.kB)
  if (large.length === 0) return null
  const parts = large.map(({ code, kB }) => `${FILL_WORDS[code]} ${size(kB)} (${percent(kB, managedKB)})`)
  return {
    text: `Of ${size(managedKB)} in these zones: ${parts.join(', ')}.`,
    evidence: unique([...managedLines, ...large.flatMap(({ lines }) => lines)]),
  }
}

/** Swap, where the reason depends on it. */
export function swapSentence(case_: Case): Sentence | null {
  const { totalSwapKB, freeSwapKB } = case_.facts
  if (!totalSwapKB || swapReason(case_) === null) return null
  const evidence = unique([totalSwapKB.line, freeSwapKB?.line])
  if (totalSwapKB.value === 0) return { text: 'There is no swap.', evidence: [totalSwapKB.line] }
  return { text: `Swap: ${size(freeSwapKB!.value)} of ${size(totalSwapKB.value)} are free.`, evidence }
}

/** Slab caches that hold most, where the kernel printed them. */
export function slabSentence({ facts: { slabs } }: Case): Sentence | null {
  const top = slabs.toSorted((a, b) => b.totalKB - a.totalKB).slice(0, 3)
  if (top.length === 0 || top[0]!.totalKB < 1024) return null
  const parts = top.map(({ name, totalKB }) => `${name} ${size(totalKB)}`)
  return { text: `Largest slab caches: ${parts.join(', ')}.`, evidence: unique(top.map(({ line }) => line)) }
}

/** The cgroup, its use and its limit. */
export function memcgSentences({ facts }: Case): Sentence[] {
  const { path, taskPath, usageKB, limitKB, swapUsageKB, swapLimitKB, stat, statUnit } = facts.memcg
  const found: Sentence[] = []
  const name = path ? `Memory cgroup ${path.value}` : 'The memory cgroup'
  if (usageKB && limitKB)
    found.push({
      text: `${name} uses ${usageKB.value} kB of its limit of ${limitKB.value} kB.`,
      evidence: unique([path?.line, usageKB.line, limitKB.line]),
    })
  else if (path) found.push({ text: `${name}: its usage and limit are not in the report.`, evidence: [path.line] })
  if (path && taskPath && taskPath.value !== path.value)
    found.push({
      text: `The limit is that of ${path.value}; the chosen process lives below it, in ${taskPath.value}.`,
      evidence: unique([path.line, taskPath.line]),
    })
  if (swapLimitKB && swapUsageKB && !facts.memcg.swapCountsMemory)
    found.push({
      text: `Its swap: ${swapUsageKB.value} of ${swapLimitKB.value} kB.`,
      evidence: unique([swapUsageKB.line, swapLimitKB.line]),
    })
  const parts = [...stat]
    .filter(([key]) => /^(?:anon|file|cache|rss|shmem|slab|kernel_stack|pagetables|sock|file_dirty|dirty)$/.test(key))
    .map(([key, { value, line }]) => ({ key, kB: (value * statUnit) / 1024, line }))
    .filter(({ kB }) => limitKB !== null && kB > limitKB.value * 0.05)
  if (parts.length > 0)
    found.push({
      text: `It holds ${parts.map(({ key, kB }) => `${key} ${size(kB)}`).join(', ')}.`,
      evidence: unique(parts.map(({ line }) => line)),
    })
  return found
}

/** The kill, and whether the scores agree. */
export function victimSentences({ facts }: Case, prediction: Prediction | null): Sentence[] {
  const { kill, groupKills, groupLine, panic, noVictim } = facts
  const found: Sentence[] = []
  if (kill)
    found.push({
      text: `Killed: ${kill.name || 'process'} (${kill.pid})${kill.rssKB === null ? '' : `, which held ${size(kill.rssKB)}`}.`,
      evidence: [kill.line],
    })
  else if (panic)
    found.push({
      text: `No process was killed: panic, "${panic.value}".`,
      evidence: unique([panic.line, noVictim ?? undefined]),
    })
  if (groupKills.length > 0)
    found.push({
      text: `With it ${listed(groupKills.map(({ name, pid }) => `${name} (${pid})`))}: its cgroup is killed as a group.`,
      evidence: unique([groupLine ?? undefined, ...groupKills.map(({ line }) => line)]),
    })
  if (prediction === null) return found
  const best = prediction.top
  if (best)
    found.push({
      text: `Highest score: ${arithmetic(best, prediction)}.`,
      evidence: unique([best.row.line, ...(best.adj === 0 ? [] : prediction.totalLines)]),
    })
  if (prediction.why) {
    const evidence = prediction.whyLines.length > 0 ? prediction.whyLines : [facts.taskHeader!.line]
    found.push({ text: sentence(prediction.why), evidence })
  }
  return found
}

/** With a capital letter, unless it begins with the name of a setting. */
const sentence = (text: string): string => `${text.startsWith('vm.') ? text : text[0]!.toUpperCase() + text.slice(1)}.`

/** `hog (85): rss 39018 + swap 0 + page tables 86 = 39104 pages`. */
export function arithmetic(
  { row, rss, swap, tables, adj, adjusted, score }: Scored,
  { totalPages }: Prediction,
): string {
  if (score === null) return `${row.name} (${row.pid}): may not be killed`
  const adjustment =
    adj === 0 ? '' : ` ${adj < 0 ? '-' : '+'} ${Math.abs(adj)} × ${Math.floor((totalPages ?? 0) / 1000)}`
  const root = adj === 0 && adjusted < 0 ? ` - ${-adjusted} for root` : ''
  return `${row.name} (${row.pid}): rss ${rss} + swap ${swap} + page tables ${tables}${adjustment}${root} = ${score} pages`
}

const SETTINGS: Partial<Record<ReasonCode, readonly Advice[]>> = {
  'memcg-limit': [
    { text: 'Raise the limit of this cgroup, or give the processes in it less to do.', setting: 'memory.max' },
  ],
  'anon-no-swap': [{ text: 'Add swap or memory, or limit what grows.', setting: 'swap' }],
  'anon-swap-unused': [{ text: 'Let reclaim write anonymous memory to swap.', setting: 'vm.swappiness' }],
  'swap-full': [{ text: 'Add swap or memory, or limit what grows.', setting: 'swap' }],
  'shmem-full': [{ text: 'Limit the tmpfs mounts (size=) and shared memory segments.', setting: 'kernel.shmall' }],
  'slab-unreclaimable': [
    {
      text: 'Find who allocates from the largest slab cache; a leak in the kernel or a module is likely.',
      setting: null,
    },
  ],
  'kernel-unaccounted': [
    { text: 'Look for a driver or module that holds pages (page_owner, balloon drivers).', setting: null },
  ],
  'lowmem-exhausted': [{ text: 'Use a 64-bit kernel, or find what fills low memory.', setting: null }],
  'zone-exhausted': [
    { text: 'Let the driver ask for wider DMA, or keep the zone for it.', setting: 'vm.lowmem_reserve_ratio' },
  ],
  'nodes-bound': [{ text: 'Allow more nodes in the cpuset or memory policy.', setting: 'cpuset.mems' }],
  'no-usable-zone': [{ text: 'Add a node with a zone Normal to the cpuset or memory policy.', setting: 'cpuset.mems' }],
  mlocked: [{ text: 'Lower how much may be locked (RLIMIT_MEMLOCK).', setting: null }],
  'hugetlb-pool': [{ text: 'Set fewer huge pages aside.', setting: 'vm.nr_hugepages' }],
  'reserve-too-high': [{ text: 'Lower the reserve.', setting: 'vm.min_free_kbytes' }],
  'cma-only': [{ text: 'Make the CMA area smaller, or let the request be movable.', setting: null }],
  fragmentation: [
    { text: 'Ask for smaller blocks, or fall back to vmalloc.', setting: 'order' },
    { text: 'Keep more memory free, so that blocks can form.', setting: 'vm.min_free_kbytes' },
  ],
  'atomic-below-watermark': [
    { text: 'Keep a larger reserve for requests that cannot wait.', setting: 'vm.min_free_kbytes' },
  ],
  'reserve-exhausted': [{ text: 'Keep a larger reserve.', setting: 'vm.min_free_kbytes' }],
  'page-cache-dirty': [{ text: 'Begin to write earlier.', setting: 'vm.dirty_background_ratio' }],
  'address-space-full': [{ text: 'Boot with a larger vmalloc area, or find who keeps areas.', setting: 'vmalloc=' }],
}

export const adviceFor = (reason: ReasonCode): readonly Advice[] => SETTINGS[reason] ?? []

/** What a report lacks; null = nothing that matters. */
export function missingSentence(case_: Case, reason: ReasonCode, failing: Failing | null): Sentence | null {
  if (reason !== 'unknown' && failing !== null) return null
  const { facts, mask, scope } = case_
  const parts: string[] = []
  if (mask === null && facts.kind !== 'slab-failure') parts.push('the request (its head line)')
  if (facts.zones.length === 0) parts.push('the zones (Mem-Info)')
  else if (scope.missing) parts.push(`the line of zone ${scope.missing}`)
  if (facts.zones.length > 0 && facts.blocks.length === 0 && case_.order > 0) parts.push('the free blocks')
  if (facts.zones.length > 0 && facts.totalSwapKB === null) parts.push('swap')
  if (parts.length === 0) return null
  return { text: `Not in the report: ${listed(parts)}.`, evidence: [facts.line] }
}
