// Recordings of memory pools (`mempool/p*.jsonl`): what the pool asks of the allocator below it, what it returns, and
// its state after every step. A check is a line.
// The allocator below numbers its elements from 1 on. `mode` says how it answers: 0 it succeeds, 1 it fails, 3 it fails
// twice; 2 is chance, where the answer (not what was asked) is taken from the line.
import { NIL } from '../base/units.ts'
import { create_sys } from '../mm/machine_image.ts'
import {
  MEMPOOL_WAIT_SECONDS,
  type Mempool,
  type MempoolFunctions,
  mempool_alloc,
  mempool_check,
  mempool_create,
  mempool_destroy,
  mempool_free,
  mempool_resize,
} from '../mm/mempool.ts'
import type { Sys } from '../mm/mmzone.ts'
import { kernelOfMeta, metaOf } from './recorded_kernel.ts'
import { jsonLines, type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

type Row = Readonly<Record<string, unknown>>
type Call = readonly (string | number)[]

/** Kind `mempool` of `mmtwin verify`. */
export const mempoolKind: VerifyKind = {
  kind: 'mempool',
  run: files => {
    const counts = tally('mempool')
    for (const file of files) if (/(^|\/)mempool\/[^/]+\.jsonl(\.gz)?$/.test(file.path)) verifyFile(file, counts)
    return counts.result()
  },
}

function verifyFile(file: VerifyFile, counts: Tally): void {
  counts.file(file.path)
  const [first, ...lines] = jsonLines(file.text())
  const player = playerOf(first)
  if (player === null) {
    counts.check(1, 'a first line that describes a kernel that is modelled', first?.text.slice(0, 80) ?? 'nothing')
    return
  }
  for (const { line, row, text } of lines) {
    const got = row === null || Array.isArray(row) ? null : stepOf(player, row as Row)
    if (got === null) counts.check(line, 'a step that can be taken', text.slice(0, 80))
    else counts.check(line, JSON.stringify(row), JSON.stringify({ ...(row as Row), ...got }))
  }
  counts.check(lines.at(-1)?.line ?? 1, '', mempool_check(player.sys).join('; '))
}

/** What the model says about a step; null where it cannot be taken: a damaged line asks for what makes no sense. */
function stepOf(player: PoolPlayer, row: Row): Row | null {
  try {
    return player.play(row)
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

function playerOf(first: Parameters<typeof metaOf>[0]): PoolPlayer | null {
  const meta = metaOf(first)
  if (meta === null) return null
  try {
    const kernel = kernelOfMeta(meta, { smp: meta.cpus > 1, numa: false })
    return new PoolPlayer(create_sys(kernel, { max_pfn: 1, nr_nodes: 1, nr_cpus: 1 }, false))
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

/** A pool over an allocator that answers as it is told. */
class PoolPlayer {
  readonly sys: Sys
  private pool: Mempool = NIL
  /** Elements ever made. */
  private made = 0
  private calls: Call[] = []
  /** Answers to the next requests: whether each succeeds. */
  private answer: (request: number) => boolean = () => true
  private requests = 0
  /** The pool when the last request was made. */
  private seen: Row = {}
  private waits = 0

  constructor(sys: Sys) {
    this.sys = sys
  }

  /** What the model says about a step; null where it cannot be taken. */
  play(row: Row): Row | null {
    this.requests = 0
    this.waits = 0
    this.answer = answers(row)
    switch (row.op) {
      case 'create':
        return this.create(Number(row.min))
      case 'create_fail_at_3':
        return this.createFailing(Number(row.min))
      case 'destroy':
        return this.destroy()
    }
    if (this.pool === NIL) return null
    switch (row.op) {
      case 'alloc':
      case 'alloc_blocking':
        return this.alloc(row)
      case 'free':
        if (!Number.isInteger(row.id)) return null
        mempool_free(this.sys, Number(row.id), this.pool)
        return this.step({})
      case 'resize':
        if (!(Number(row.new) > 0)) return null
        return this.step({ ret: mempool_resize(this.sys, this.pool, Number(row.new)) })
      default:
        return null
    }
  }

  private create(min: number): Row | null {
    if (!(this.pool === NIL && min >= 0)) return null
    this.pool = mempool_create(this.sys, min, this.functions, 0)
    return this.pool === NIL ? null : this.step({})
  }

  /** The line shows the pool when its third request failed; what it then gives back is in the line that follows. */
  private createFailing(min: number): Row | null {
    if (!(this.pool === NIL && min >= 0)) return null
    this.answer = request => request < 2
    if (mempool_create(this.sys, min, this.functions, 0) !== NIL) return null
    const asked = this.calls.filter(([name]) => name === 'underlying_alloc')
    this.calls = this.calls.filter(([name]) => name === 'underlying_free')
    return { calls: [...asked, []], ...this.seen }
  }

  private destroy(): Row {
    if (this.pool !== NIL) mempool_destroy(this.sys, this.pool)
    this.pool = NIL
    return { calls: this.takeCalls() }
  }

  /** A wait lasts its whole time, since nobody else gives anything back. */
  private alloc({ gfp, slept_ms }: Row): Row | null {
    if (!Number.isInteger(Number(gfp))) return null
    const allowed = Math.floor(Number(slept_ms ?? 0) / (1000 * MEMPOOL_WAIT_SECONDS))
    const ret = mempool_alloc(this.sys, this.pool, Number(gfp), () => this.waits++ < allowed)
    return this.step({ op: this.waits > 0 ? 'alloc_blocking' : 'alloc', ret })
  }

  private step(result: Row): Row {
    return { ...result, calls: this.takeCalls(), ...this.state(this.pool) }
  }

  private takeCalls(): readonly Call[] {
    const calls = [...this.calls, []]
    this.calls = []
    return calls
  }

  private state(pool: Mempool): Row {
    const { min_nr, curr_nr, elements } = this.sys.mempool
    const first = elements[pool]!
    const all = this.sys.mempool_element.element.subarray(first, first + curr_nr[pool]!)
    return { min_nr: min_nr[pool], curr_nr: curr_nr[pool], elements: [...all] }
  }

  private readonly functions: MempoolFunctions = {
    name: 'underlying',
    nil: NIL,
    alloc: (sys, gfp) => {
      this.seen = this.state(sys.mempool.used.indexOf(1))
      const element = this.answer(this.requests++) ? ++this.made : NIL
      this.calls.push(['underlying_alloc', `0x${(gfp >>> 0).toString(16)}`, element])
      return element
    },
    free: (_sys, element) => {
      this.calls.push(['underlying_free', element])
    },
  }
}

/** How the allocator below answers while a line is played. */
function answers(row: Row): (request: number) => boolean {
  switch (row.mode) {
    case 1:
      return () => false
    case 2: {
      const calls = (Array.isArray(row.calls) ? row.calls : []) as readonly Call[]
      const asked = calls.filter(call => Array.isArray(call) && call[0] === 'underlying_alloc')
      return request => Number(asked[request]?.[2] ?? NIL) >= 0
    }
    case 3:
      return request => request >= 2
    default:
      return () => true
  }
}
