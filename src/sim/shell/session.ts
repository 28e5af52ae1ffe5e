// A session of the shell: timelines by name, the blocks that were given names ($1, $2 …), and the trace buffer.
// Pure: lines in, text out. What a line changes goes through the timeline as commands, so it can be undone.
import type { Address } from '../../base/address.ts'
import { RecordRing } from '../../trace/record_ring.ts'
import type { Command, Result } from '../commands.ts'
import type { Machine } from '../machine.ts'
import { hasAllocators } from '../mm_core_init.ts'
import type { SwapHost } from '../swap_host.ts'
import { Timeline } from '../timeline.ts'
import { VmstatTable } from '../vmstat_table.ts'
import { editDistance } from '../where.ts'
import { ShellFailure, ShellSyntaxError, splitLine } from './words.ts'

/** A block that an allocation of the session returned. */
export interface NamedBlock {
  readonly pfn: number
  readonly order: number
  readonly address: Address
}

export type NamedKind = 'object' | 'cache' | 'area' | 'pool' | 'task'

/** Anything else that has a name: an object by its physical address, an area by its first page, other things by their row. */
export interface NamedValue {
  readonly kind: NamedKind
  readonly value: number
  /** Pages of an area. */
  readonly pages?: number
  /** Elements of this pool are frames. */
  readonly frames?: boolean
}

/** What came of a line. */
export interface Answer {
  readonly text: string
  /** 0 done, 1 something failed, 2 not a command. */
  readonly status: 0 | 1 | 2
  /** One sentence, where the status is not 0. */
  readonly error: string | null
}

/** What the shell may ask of the world around it. */
export interface Surroundings {
  /** The text of a file, for `source`; throws where it cannot be read. */
  readFile?(path: string): string
  /** Files for swap areas. */
  readonly swap?: SwapHost
}

/** One command of the shell. */
export interface Builtin {
  /** Arguments as help shows them. */
  readonly usage: string
  /** One sentence. */
  readonly about: string
  /** Group in `help`. */
  readonly group:
    | 'allocate'
    | 'object'
    | 'mapping'
    | 'pool'
    | 'segment'
    | 'stack'
    | 'process'
    | 'swap'
    | 'look'
    | 'time'
    | 'settings'
    | 'shell'
  /** Fewest and most arguments. */
  readonly arity: readonly [least: number, most: number]
  run(session: Session, args: readonly string[]): string
}

/** Events that the trace buffer keeps. */
const RING_SIZE = 1 << 16
/** Depth at which files may source each other. */
const DEEPEST_SOURCE = 16

export class Session {
  readonly timelines: Map<string, Timeline> = new Map()
  readonly names: (NamedBlock | NamedValue)[] = []
  readonly ring: RecordRing = new RecordRing(RING_SIZE)
  current = 'main'
  /** Set by `exit`. */
  ended = false
  readonly #builtins: Readonly<Record<string, Builtin>>
  readonly surroundings: Surroundings
  #endTrace: (() => void) | null = null
  #depth = 0
  #live: VmstatTable | null = null

  constructor(machine: Machine, builtins: Readonly<Record<string, Builtin>>, surroundings: Surroundings = {}) {
    this.#builtins = builtins
    this.surroundings = surroundings
    this.timelines.set(this.current, new Timeline(machine))
  }

  get timeline(): Timeline {
    return this.timelines.get(this.current)!
  }

  get machine(): Machine {
    return this.timeline.machine
  }

  get builtins(): Readonly<Record<string, Builtin>> {
    return this.#builtins
  }

  /** Does a line; never throws for what a user can do wrong. */
  run(line: string): Answer {
    let text = ''
    try {
      for (const words of splitLine(line)) {
        if (this.ended) break
        text += this.#runWords(words) + this.#liveRows()
      }
      return { text, status: 0, error: null }
    } catch (error) {
      if (!(error instanceof Error)) throw error
      const status = statusOf(error)
      if (status === null) throw error
      return { text: text + ((error as { text?: string }).text ?? ''), status, error: error.message }
    }
  }

  #runWords([name = '', ...args]: readonly string[]): string {
    const builtin = Object.hasOwn(this.#builtins, name) ? this.#builtins[name]! : null
    if (builtin === null) throw new ShellSyntaxError(unknownWord('command', name, Object.keys(this.#builtins)))
    const [least, most] = builtin.arity
    if (args.length < least || args.length > most)
      throw new ShellSyntaxError(`usage: ${name} ${builtin.usage}`.trimEnd())
    return builtin.run(this, args)
  }

  /** Does a command of the machine; returns its result and what the kernel printed meanwhile. */
  do(command: Command): { result: Result; printed: string } {
    const end = this.#live?.listen(this.machine)
    const result = this.timeline.do(command)
    end?.()
    return { result, printed: this.machine.latestLog.map(({ line }) => `${line}\n`).join('') }
  }

  /** Rows of vmstat behind each line that takes simulated time; null = none. */
  set vmstat(every: number | null) {
    this.#live = every === null ? null : new VmstatTable(every)
  }

  #liveRows(): string {
    return this.#live?.rows(this.machine.sys) ?? ''
  }

  /** Makes the allocators above the page allocator, as a command that can be undone, where they are not there yet. */
  initAllocators(): void {
    const { sys, constants } = this.machine
    if (!hasAllocators(sys)) this.do({ op: 'mm_core_init', cmdline: (constants.get('/proc/cmdline') ?? '').trim() })
  }

  /** Whether tracepoints go into the trace buffer. */
  get tracing(): boolean {
    return this.#endTrace !== null
  }

  set tracing(on: boolean) {
    this.#endTrace?.()
    this.#endTrace = on ? this.machine.listen(this.ring) : null
  }

  /** Works on another timeline from now on; the trace follows. */
  switchTo(name: string): void {
    if (!this.timelines.has(name)) throw new ShellFailure(unknownWord('timeline', name, [...this.timelines.keys()]))
    const { tracing } = this
    this.tracing = false
    this.current = name
    this.tracing = tracing
  }

  /** Names a block, or something else; `$1` is the first. */
  name(thing: NamedBlock | NamedValue): string {
    return `$${this.names.push(thing)}`
  }

  /** What is called `$n`. */
  named(word: string): NamedBlock | NamedValue {
    const thing = this.names[Number(word.slice(1)) - 1]
    if (!/^\$\d+$/.test(word) || thing === undefined)
      throw new ShellFailure(`${word}: nothing has that name; ${this.names.length} were given`)
    return thing
  }

  /** The block called `$n`. */
  block(word: string): NamedBlock {
    const block = this.named(word)
    if ('kind' in block) throw new ShellFailure(`${word} is no block of pages: it names a thing of another kind`)
    return block
  }

  /** Does the lines of a file. */
  source(path: string): string {
    const { readFile } = this.surroundings
    if (!readFile) throw new ShellFailure(`${path}: files cannot be read here`)
    if (this.#depth === DEEPEST_SOURCE) throw new ShellFailure(`${path}: files source each other without end`)
    this.#depth++
    try {
      return this.#lines(path, readFile(path))
    } finally {
      this.#depth--
    }
  }

  #lines(path: string, content: string): string {
    let text = ''
    for (const [index, line] of content.split('\n').entries()) {
      const answer = this.run(line)
      text += answer.text
      if (answer.error === null) continue
      const Kind = answer.status === 2 ? ShellSyntaxError : ShellFailure
      throw Object.assign(new Kind(`${path}:${index + 1}: ${answer.error}`), { text })
    }
    return text
  }
}

/** Exit status of an error; null for what is our own fault. */
function statusOf(error: Error): 1 | 2 | null {
  if (error instanceof ShellSyntaxError) return 2
  if (error instanceof ShellFailure || error.name === 'UserError') return 1
  return error instanceof RangeError ? 2 : null
}

/** One sentence about a word that nobody knows, with the nearest that is known. */
export function unknownWord(kind: string, word: string, known: readonly string[]): string {
  const ranked = known.map(name => ({ name, distance: name.startsWith(word) ? 1 : editDistance(word, name) }))
  const best = ranked.sort((a, b) => a.distance - b.distance)[0]
  const near = best && best.distance <= Math.max(1, Math.floor(word.length / 3)) ? `; did you mean ${best.name}?` : ''
  return `no ${kind} "${word}"${near}`
}
