// A policy of a user: it only says who goes. Who is in memory is known here, so that misses are true whatever it says; an
// answer that names no page in memory ends the run with a sentence that tells when, and with what.
import { PageColumn, type Policy, type PolicyKind } from './policy.ts'

/** What a user writes. Pages are numbers from 0 up, in the order of their first access. */
export interface ReplacementPolicy {
  /** A page that is in memory is used. */
  hit?(page: number): void
  /** A page comes into memory, into a free frame or into that of the page that was evicted for it. */
  insert?(page: number): void
  /** Memory is full and `incoming` waits: the page in memory that goes. */
  evict(incoming: number): number
}

/** A module that a user writes: `export function create(frames) { … }`, and perhaps a `title`. */
export interface PolicyModule {
  readonly title?: string
  create(frames: number): ReplacementPolicy
}

/** A plug-in broke; the message is a sentence. */
export class PlugInError extends Error {
  override readonly name = 'PlugInError'
}

/** The policy of a module. @throws PlugInError for a module that is none */
export function plugInKind(name: string, module: unknown): PolicyKind {
  const { create, title } = Object(module) as Partial<PolicyModule>
  if (typeof create !== 'function') throw new PlugInError(`the module exports no function "create"`)
  return {
    name,
    title: typeof title === 'string' && title !== '' ? title : name,
    about: 'a policy of yours',
    create: frames =>
      new PlugIn(
        frames,
        ask('create', 0, () => create(frames)),
      ),
  }
}

class PlugIn implements Policy {
  readonly #policy: ReplacementPolicy
  readonly #frames: number
  /** 1 = in memory. */
  readonly #here = new PageColumn()
  #used = 0
  /** Accesses so far. */
  #at = 0

  constructor(frames: number, policy: unknown) {
    const { evict, hit, insert } = Object(policy) as Partial<ReplacementPolicy>
    if (typeof evict !== 'function') throw new PlugInError('create() returned an object without a function "evict"')
    for (const [name, value] of Object.entries({ hit, insert }))
      if (value !== undefined && typeof value !== 'function') throw new PlugInError(`"${name}" is no function`)
    this.#policy = policy as ReplacementPolicy
    this.#frames = frames
  }

  reserve(pages: number): void {
    this.#here.reserve(pages)
  }

  run(pages: Int32Array, from: number, to: number): number {
    let misses = 0
    for (let i = from; i < to; i++) {
      const page = pages[i]!
      this.#at++
      if (this.#here.values[page]! !== 0) this.#ask('hit', page)
      else {
        misses++
        this.#miss(page)
      }
    }
    return misses
  }

  residents(): number[] {
    return this.#here.where(value => value !== 0)
  }

  #miss(page: number): void {
    const here = this.#here.values
    if (this.#used === this.#frames) {
      const out = ask('evict', this.#at, () => this.#policy.evict(page)) as unknown
      if (typeof out !== 'number' || here[out] !== 1) throw new PlugInError(noVictim(this.#at, page, out))
      here[out] = 0
    } else this.#used++
    here[page] = 1
    this.#ask('insert', page)
  }

  #ask(method: 'hit' | 'insert', page: number): void {
    ask(method, this.#at, () => this.#policy[method]?.(page))
  }
}

/** Calls a user's function. */
function ask<T>(method: string, access: number, call: () => T): T {
  try {
    return call()
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : `threw ${shown(error)}`
    throw new PlugInError(`${method}() failed${access > 0 ? ` at access ${access}` : ''}: ${message}`)
  }
}

function noVictim(access: number, incoming: number, answer: unknown): string {
  return `evict(${incoming}) returned ${shown(answer)} at access ${access}, which is no page in memory`
}

/** A value in a few words; a user's value may refuse to be a text. */
function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'function' ? 'a function' : String(value).slice(0, 40)
}
