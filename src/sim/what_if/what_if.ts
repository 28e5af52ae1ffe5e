// "What would setting X change?": a twin in the reported state, the settings, the request once more; and how little of
// each knob would be enough. Every answer is a retry on a copy of the twin; nothing is estimated.
import { __GFP_HIGH, __GFP_MEMALLOC, ALLOC_OOM, gfp_to_alloc_flags, gfp_zone } from '../../mm/gfp.ts'
import { format_gfp } from '../../mm/gfp_names.ts'
import { WMARK_MIN } from '../../mm/mmzone.ts'
import { watermark_terms, wmark_pages, zone_watermark_fast } from '../../mm/page_alloc/watermark.ts'
import type { Sentence, WhatIf } from '../../report/explain/answer.ts'
import type { Case } from '../../report/explain/case.ts'
import type { Explained } from '../../report/explain/explain_report.ts'
import { maskOfText } from '../../report/explain/masks.ts'
import { size } from '../../report/explain/words.ts'
import { addFree, addMemory, type FoundSettings, findSettings, setSysctl } from './apply.ts'
import { sizeKB, type WhatIfSettings } from './settings.ts'
import { type Asked, ask, type Twin, twinOf } from './twin.ts'

/** Numbers that a retry may change. */
interface Change {
  readonly sysctl?: readonly (readonly [name: string, value: string])[]
  readonly order?: number
  readonly gfp?: number
  /** Pages of anonymous memory that reclaim could move to new swap; pages of new memory. */
  readonly swapPages?: number
  readonly memoryPages?: number
}

class Retry {
  readonly case_: Case
  readonly #twin: Twin
  readonly found: FoundSettings
  readonly #state: Uint8Array
  readonly evidence: number[]

  constructor(case_: Case) {
    this.case_ = case_
    this.#twin = twinOf(case_)
    this.found = findSettings(this.#twin, case_)
    this.#state = bytesOf(this.#twin).slice()
    this.evidence = case_.scope.zones.slice(0, 2).map(({ line }) => line)
  }

  get assumptions(): readonly string[] {
    return this.#twin.assumptions
  }

  get asked(): Asked {
    const { request, scope } = this.case_
    return { gfp: request.bits, order: request.order, victim: request.victim, nodes: scope.nodes }
  }

  /** Row of the zone to which memory comes: the one that the request tries first. */
  get #row(): number {
    return this.#twin.rows.get(this.case_.scope.zones[0] ?? this.case_.facts.zones[0]!)!
  }

  /** Whether the request succeeds after a change: the zone's name, or null. */
  try(change: Change): string | null {
    const { sys } = this.#twin
    bytesOf(this.#twin).set(this.#state)
    for (const [name, value] of change.sysctl ?? []) setSysctl(this.#twin, this.found, name, value)
    if (change.memoryPages) addMemory(this.#twin, this.found, this.#row, change.memoryPages)
    if (change.swapPages) addFree(this.#twin, this.#row, change.swapPages)
    const added = (change.memoryPages ?? 0) + (change.swapPages ?? 0) > 0
    const asked = { ...this.asked, gfp: change.gfp ?? this.asked.gfp, order: change.order ?? this.asked.order }
    const row = ask(this.#twin, asked)
    if (row >= 0) return this.#nameOf(row)
    // Added pages are counted, not placed: a single page is there when the check passes.
    if (!added || asked.order > 0 || gfp_zone(sys, asked.gfp) < sys.zone_idx[this.#row]!) return null
    const flags = gfp_to_alloc_flags(sys, asked.gfp, 0)
    const mark = wmark_pages(sys, this.#row, WMARK_MIN)
    return zone_watermark_fast(sys, this.#row, 0, mark, gfp_zone(sys, asked.gfp), flags, asked.gfp)
      ? this.#nameOf(this.#row)
      : null
  }

  /** What the first zone lacks after the last try. */
  why(change: Change): string {
    const { sys } = this.#twin
    const { gfp, order, victim } = { ...this.asked, ...change }
    const row = this.#row
    if (gfp_zone(sys, gfp) < sys.zone_idx[row]!) return `the request may not use ${this.#nameOf(row)}`
    const flags = victim ? ALLOC_OOM : gfp_to_alloc_flags(sys, gfp, order)
    const terms = watermark_terms(sys, row, order, wmark_pages(sys, row, WMARK_MIN), gfp_zone(sys, gfp), flags)
    const [usable, needed] = [Math.max(0, terms.free - terms.unusable), terms.min + terms.reserve]
    const kB = (pages: number): string => `${pages * this.case_.pageKB} kB`
    return usable > needed
      ? `${this.#nameOf(row)} has no free block of order ${order}`
      : `${this.#nameOf(row)} has ${kB(usable)} for the request and must stay above ${kB(needed)}`
  }

  #nameOf(row: number): string {
    const { sys, nodes } = this.#twin
    return `node ${nodes[sys.zone_to_nid[row]!]} ${sys.kernel.zones[sys.zone_idx[row]!]}`
  }
}

const bytesOf = ({ sys }: Twin): Uint8Array => new Uint8Array(sys.image.buffer)

/** The smallest number in (low, high] that helps, where `helps` is false up to some number and true from it on; null =
 * none does. */
function smallest(low: number, high: number, helps: (value: number) => boolean): number | null {
  if (!helps(high)) return null
  let [no, yes] = [low, high]
  while (yes - no > 1) {
    const middle = Math.floor((no + yes) / 2)
    if (helps(middle)) yes = middle
    else no = middle
  }
  return yes
}

/** Anonymous memory of the allowed zones, pages: what swap could take. */
function anonPages({ fills: { fills }, pageKB }: Case): number {
  return Math.floor((fills.get('anon')?.kB ?? 0) / pageKB)
}

function changeOf(retry: Retry, settings: WhatIfSettings): Change {
  const { case_ } = retry
  const pages = (kB: number): number => Math.floor(kB / case_.pageKB)
  const sysctl = Object.entries(settings).flatMap(([name, value]): [string, string][] =>
    name.startsWith('vm.') ? [[name.slice(3), value]] : [],
  )
  const change: { -readonly [Key in keyof Change]: Change[Key] } = { sysctl }
  if (settings.order !== undefined) change.order = Number(settings.order)
  if (settings.gfp !== undefined) change.gfp = maskOfText(settings.gfp).bits
  if (settings.memory !== undefined) change.memoryPages = pages(moreKB('memory', settings.memory, memoryKB(case_)))
  if (settings.swap !== undefined && mayReclaim(case_, change.gfp)) {
    const more = pages(moreKB('swap', settings.swap, case_.facts.totalSwapKB?.value ?? 0))
    change.swapPages = Math.min(more, anonPages(case_))
  }
  return change
}

const mayReclaim = ({ mask }: Case, gfp: number | undefined): boolean =>
  gfp === undefined ? (mask?.mayReclaim ?? true) : (gfp & 0x400) !== 0

/** `+1G` adds; `8G` is the new total. */
function moreKB(name: string, text: string, now: number): number {
  const kB = sizeKB(name, text)
  return text.trim().startsWith('+') ? kB : Math.max(0, kB - now)
}

function memoryKB({ facts, pageKB, fills }: Case): number {
  const { ramPages, reservedPages } = facts
  return ramPages && reservedPages ? (ramPages.value - reservedPages.value) * pageKB : (fills.managedKB ?? 0)
}

/** How little of each knob is enough. */
function knobs(retry: Retry): string[] {
  const { case_, found } = retry
  const { order, pageKB } = { order: retry.asked.order, pageKB: case_.pageKB }
  const answers: string[] = []
  const helps = (change: Change): boolean => retry.try(change) !== null
  const min = (value: number): Change => ({ sysctl: [['min_free_kbytes', String(value)]] })
  const less = smallest(0, found.minFreeKB, down => helps(min(found.minFreeKB - down)))
  const more = [2, 4, 16].find(times => less === null && helps(min(found.minFreeKB * times)))
  answers.push(
    less !== null
      ? `vm.min_free_kbytes at most ${found.minFreeKB - less} (now ${found.minFreeKB}${found.exact ? '' : ', about'})`
      : more !== undefined
        ? `vm.min_free_kbytes ${found.minFreeKB * more} (now ${found.minFreeKB})`
        : 'vm.min_free_kbytes: no value helps at this moment',
  )
  const scales = [1, 10, 100, 1000].filter(scale => helps({ sysctl: [['watermark_scale_factor', String(scale)]] }))
  answers.push(
    scales.length > 0
      ? `vm.watermark_scale_factor=${scales[0]} (to write it ends the boost of the marks)`
      : 'vm.watermark_scale_factor: no value helps',
  )
  answers.push(reserveKnob(helps))
  const fits = order === 0 ? null : smallest(0, order, down => helps({ order: order - down }))
  if (order > 0) answers.push(fits === null ? 'order: no smaller one helps' : `order at most ${order - fits}`)
  answers.push(gfpKnob(retry, helps))
  const most = Math.max(1, Math.floor(memoryKB(case_) / pageKB))
  if (order === 0) {
    const memory = smallest(0, most, pages => helps({ memoryPages: pages }))
    answers.push(
      memory === null ? 'memory: twice as much does not help' : `memory=+${memory * pageKB}K in the first zone`,
    )
    const anon = mayReclaim(case_, undefined) ? anonPages(case_) : 0
    const swap = anon === 0 ? null : smallest(0, anon, pages => helps({ swapPages: pages }))
    answers.push(
      swap === null
        ? 'swap: does not help this request'
        : `swap=+${swap * pageKB}K, if reclaim fills it with anonymous memory`,
    )
  } else answers.push('memory and swap: where new free blocks would lie nobody knows')
  return answers
}

function reserveKnob(helps: (change: Change) => boolean): string {
  const ratio = (value: number): Change => ({ sysctl: [['lowmem_reserve_ratio', `${value} ${value} ${value}`]] })
  for (let value = 512; value <= 2 ** 20; value *= 2)
    if (helps(ratio(value))) {
      const least = smallest(value / 2, value, each => helps(ratio(each)))
      return `vm.lowmem_reserve_ratio at least ${least} for each zone`
    }
  return helps(ratio(0)) ? 'vm.lowmem_reserve_ratio=0 0 0' : 'vm.lowmem_reserve_ratio: no value helps'
}

/** Rights that a mask can add, the smaller one first. */
function gfpKnob({ asked: { gfp }, case_ }: Retry, helps: (change: Change) => boolean): string {
  const highmem = case_.layout.highmem ? [0x2] : []
  for (const more of [...highmem, __GFP_HIGH, __GFP_MEMALLOC])
    if ((gfp & more) === 0 && helps({ gfp: gfp | more })) return `gfp with ${format_gfp(case_.layout.kernel.gfp, more)}`
  return 'gfp: neither __GFP_HIGH nor __GFP_MEMALLOC helps'
}

const sentence = (text: string, evidence: readonly number[]): Sentence => ({
  text,
  evidence: [...new Set(evidence)].sort((a, b) => a - b),
})

/** A cgroup's limit: only what raises it helps. */
function cgroupWhatIf({ facts, order, pageKB }: Case, settings: WhatIfSettings): WhatIf {
  const { usageKB, limitKB } = facts.memcg
  if (!usageKB || !limitKB)
    return {
      settings,
      wouldSucceed: false,
      explanation: [sentence('Usage and limit of the cgroup are not in the report.', [facts.line])],
    }
  const evidence = [usageKB.line, limitKB.line]
  const needed = usageKB.value + 2 ** order * pageKB
  const said = settings['memory.max']
  const limit =
    said === undefined ? limitKB.value : moreKB('memory.max', said, 0) + (said.startsWith('+') ? limitKB.value : 0)
  const wouldSucceed = limit >= needed
  const first =
    said === undefined
      ? 'The limit of the cgroup decides; these settings do not change it.'
      : `${usageKB.value} kB are used, ${needed} kB with the request, ${limit} kB is the limit.`
  return {
    settings,
    wouldSucceed,
    explanation: [
      sentence(first, evidence),
      sentence(`Smallest change: memory.max=${needed}K; a process that grows without end fills that, too.`, evidence),
    ],
  }
}

/** What would become of a report's request with other settings. @throws RangeError for values that the kernel refuses */
export function whatIf({ case_, answer }: Explained, settings: WhatIfSettings): WhatIf {
  const { facts, scope } = case_
  const cannot = (text: string): WhatIf => ({
    settings,
    wouldSucceed: false,
    explanation: [sentence(text, [facts.line])],
  })
  if (answer.reason === 'memcg-limit') return cgroupWhatIf(case_, settings)
  if (answer.reason === 'address-space-full')
    return cannot('The address space decides; these settings do not change it.')
  if (settings['memory.max'] !== undefined)
    return cannot('No cgroup limit was reached: memory.max changes nothing here.')
  if (facts.gfp === null && settings.gfp === undefined)
    return cannot('The request is not in the report; gfp= and order= would name one.')
  if (facts.zones.length === 0 || (scope.zones.length === 0 && settings.gfp === undefined))
    return cannot('No zone that the request may use is in the report.')
  const retry = new Retry(case_)
  const { evidence } = retry
  const change = changeOf(retry, settings)
  const zone = retry.try(change)
  const said = zone === null ? `The twin refuses: ${retry.why(change)}.` : `The twin serves the request from ${zone}.`
  const explanation = [sentence(said, evidence)]
  if (retry.try({}) !== null)
    explanation.push(sentence('In the printed state it succeeds as it is: memory had come back by then.', evidence))
  else explanation.push(sentence(`Enough would be, each alone: ${knobs(retry).join('; ')}.`, evidence))
  if (change.swapPages !== undefined)
    explanation.push(
      sentence(
        `Assumed: reclaim moves ${size(change.swapPages * case_.pageKB)} of anonymous memory to swap.`,
        evidence,
      ),
    )
  explanation.push(sentence(`Assumed: ${retry.assumptions.join('; ')}.`, evidence))
  return { settings, wouldSucceed: zone !== null, explanation }
}
