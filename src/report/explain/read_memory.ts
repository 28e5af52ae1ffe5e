// The lines of a memory dump: counters, nodes, zones, reserves, free blocks, swap, pages. Names that are not known yet
// are read like the others; a token that is cut is left out.

import type { KernelLine } from './assemble.ts'
import type { BlockFacts, Fact, ReportFacts, ZoneFacts } from './facts.ts'

const START = /^(?:Node (\d+) )?(DMA32|DMA|Normal|HighMem|Movable|Device)\b/

/** Node and name of the zone that a line begins with. */
function zoneOf(text: string): { node: number; name: string; rest: string } {
  const [all, node, name] = START.exec(text)!
  return { node: Number(node ?? 0), name: name!, rest: text.slice(all.length) }
}

/** `free:832kB min:144kB …`: sizes by name, the first of each name. */
function sizes(text: string): Map<string, number> {
  const found = new Map<string, number>()
  for (const [, name, value] of text.matchAll(/([\w()]+):\s?(\d{1,13})(?:kB|KB)(?=\s|$)/g))
    if (!found.has(name!)) found.set(name!, Number(value))
  return found
}

/** A zone's line; null where not even its watermarks are there. */
export function readZone({ text, line }: KernelLine): ZoneFacts | null {
  const { node, name, rest } = zoneOf(text)
  const kb = sizes(rest)
  if (!kb.has('free')) return null
  const [, said] = /all_unreclaimable\? (yes|no)/.exec(rest) ?? []
  return { node, name, line, kb, reserve: null, unreclaimable: said === undefined ? null : said === 'yes' }
}

/** A line of free blocks. */
export function readBlocks({ text, line }: KernelLine): BlockFacts | null {
  const { node, name, rest } = zoneOf(text)
  if (/^: empty/.test(rest)) return { node, name, line, unit: 0, counts: [], types: [], totalKB: 0 }
  const counts: number[] = []
  const types: string[] = []
  let unit = 0
  for (const [, count, size, letters] of rest.matchAll(/(\d{1,9})\*(\d{1,9})kB(?:\s\(([A-Z]+)\))?(?=\s|$)/g)) {
    unit ||= Number(size) * 1024
    // A line from which pieces are missing says nothing about the orders behind.
    if (Number(size) * 1024 !== unit * 2 ** counts.length) break
    counts.push(Number(count))
    types.push(letters ?? '')
  }
  const [, total] = /= (\d+)kB$/.exec(rest) ?? []
  return counts.length === 0
    ? null
    : { node, name, line, unit, counts, types, totalKB: total === undefined ? null : Number(total) }
}

export function readReserve({ text, line }: KernelLine): Fact<readonly number[]> {
  const [, numbers = ''] = /\]:\s*([\d\s]*)/.exec(text) ?? []
  return { value: numbers.trim() === '' ? [] : numbers.trim().split(/\s+/).map(Number), line }
}

export function readCounters({ text, line }: KernelLine, into: Map<string, Fact>): void {
  for (const [, name, value] of text.matchAll(/(\w+):(\d{1,13})(?=\s|$)/g)) {
    const key = name!.toLowerCase()
    if (!into.has(key)) into.set(key, { value: Number(value), line })
  }
}

export function readNode({ text, line }: KernelLine, into: ReportFacts['nodes']): void {
  const node = Number(/^Node (\d+)/.exec(text)![1])
  if (!into.has(node)) into.set(node, { line, kb: sizes(text) })
}

export function readHugepages({ text, line }: KernelLine, into: ReportFacts['hugepages']): void {
  const [, node = '0', total] = /^(?:Node (\d+) )?hugepages_total=(\d+)/.exec(text)!
  const [, size] = /hugepages_size=(\d+)kB/.exec(text) ?? []
  if (size !== undefined) into.push({ line, node: Number(node), total: Number(total), sizeKB: Number(size) })
}

export function readSwap({ text, line }: KernelLine, facts: ReportFacts): void {
  const [, which, value] = /^(Free|Total) swap\s*[=:]\s*(\d+)kB/.exec(text)!
  if (which === 'Free') facts.freeSwapKB ??= { value: Number(value), line }
  else facts.totalSwapKB ??= { value: Number(value), line }
}

export function readPages({ text, line }: KernelLine, facts: ReportFacts): void {
  const value = Number.parseInt(text, 10)
  if (/HIGHMEM|HighMem/.test(text)) facts.highmemPages ??= { value, line }
  else if (/\bRAM\b/.test(text)) facts.ramPages ??= { value, line }
  else facts.reservedPages ??= { value, line }
}

/** A row of `Unreclaimable slab info`. */
export function readSlabRow({ text, line }: KernelLine, facts: ReportFacts): void {
  const [, name, , total] = /^(\S+)\s+(\d+)KB\s+(\d+)KB$/.exec(text)!
  facts.slabs.push({ line, name: name!, totalKB: Number(total) })
}

/** A limit that nobody set is printed as this, kB, and more on kernels with larger pages. */
const NO_LIMIT_KB = 2 ** 50

export function readMemcgUsage({ text, line }: KernelLine, { memcg }: ReportFacts): void {
  const [, what, usage, limit] = /^(memory|memory\+swap|swap|kmem): usage (\d+)kB(?:, limit (\d+)kB)?/.exec(text) ?? []
  if (what === undefined || what === 'kmem') return
  const limited = limit !== undefined && Number(limit) < NO_LIMIT_KB
  const ceiling = limited ? { value: Number(limit), line } : null
  if (what === 'memory') {
    memcg.usageKB ??= { value: Number(usage), line }
    memcg.limitKB ??= ceiling
  } else {
    memcg.swapUsageKB ??= { value: Number(usage), line }
    memcg.swapLimitKB ??= ceiling
    memcg.swapCountsMemory = what === 'memory+swap'
  }
}

/** `Memory cgroup stats for /a:`, with the numbers behind it up to 5.1. */
export function readMemcgStat({ text, line }: KernelLine, { memcg }: ReportFacts): void {
  const [, path, rest = ''] = /^Memory cgroup stats(?: for (\S*?))?:(?:\s(.*))?$/.exec(text) ?? []
  if (path) memcg.path ??= { value: path, line }
  for (const [name, value] of sizes(rest)) {
    memcg.statUnit = 1024
    if (!memcg.stat.has(name)) memcg.stat.set(name, { value, line })
  }
}

export function readStatRow({ text, line }: KernelLine, { memcg }: ReportFacts): void {
  const [name, value] = text.trim().split(' ')
  if (!memcg.stat.has(name!)) memcg.stat.set(name!, { value: Number(value), line })
}
