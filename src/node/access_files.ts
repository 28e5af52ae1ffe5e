// A file of page accesses: read by its kind, and its pages run through replacement policies at some memory sizes.

import { type PolicyKind, policies } from '../sim/policy/index.ts'
import { kernelPolicies } from '../sim/policy/kernel.ts'
import { curveSizes, type PolicyMisses, simulate } from '../sim/policy/simulate.ts'
import {
  ACCESS_FORMATS,
  type AccessFormat,
  type AccessTrace,
  accessFormatOf,
  accessReader,
} from '../trace/access/index.ts'
import { TraceFormatError } from '../trace/batch.ts'
import { InputError, type InputOptions, readInput } from './input.ts'
import { checkPolicyFile, isPolicyFile, runPolicyFile } from './policy_file.ts'
import { UserError } from './user_error.ts'

export interface AccessFilesOptions {
  /** Names of policies, and files of own ones. */
  readonly policies?: readonly string[]
  /** Memory sizes in frames; default: a dozen from small to all pages. */
  readonly frames?: readonly number[]
  readonly format?: AccessFormat
  readonly pageSize?: number
  /** Column of a table's objects, from 1. */
  readonly column?: number
  /** Seconds that a policy's file may take. */
  readonly timeout?: number
  readonly onProgress?: (done: number, total: number, label: string) => void
  readonly signal?: AbortSignal
}

/** What came of it. */
export interface AccessReport {
  readonly trace: string
  readonly format: string
  readonly accesses: number
  readonly pages: number
  readonly pageSize: number | null
  readonly records: number
  readonly diagnostics: { readonly count: number; readonly first: readonly { line: number; message: string }[] }
  /** Memory sizes in frames, ascending. */
  readonly frames: readonly number[]
  readonly policies: readonly PolicyMisses[]
}

const DEFAULT_POLICIES = ['fifo', 'lru', 'clock', 'opt']

/** What a file is by its beginning: null for what is no trace of page accesses. @throws InputError */
export async function accessFormatOfFile(file: string): Promise<AccessFormat | null> {
  let start = new Uint8Array(0)
  try {
    await readInput(file, bytes => {
      start = bytes.slice(0, 1 << 16)
      throw new Enough()
    })
  } catch (error) {
    if (!(error instanceof Enough)) throw error
  }
  return accessFormatOf(start, file)
}

/** Thrown to stop reading. */
class Enough extends Error {}

/** Reads a trace and runs policies over it. @throws UserError, InputError: one sentence that names the file */
export async function replayAccesses(file: string, options: AccessFilesOptions = {}): Promise<AccessReport> {
  const names = options.policies ?? DEFAULT_POLICIES
  const kinds = names.map(name => (isPolicyFile(name) ? null : policyNamed(name)))
  for (const name of names) if (isPolicyFile(name)) checkPolicyFile(name)
  const format = options.format ?? (file === '-' ? null : await accessFormatOfFile(file))
  if (format === null && file !== '-')
    throw new UserError(`${file}: no trace of page accesses is known that begins like this; --format names one`)
  const trace = await readAccesses(file, format ?? 'lackey', options)
  const frames = sorted(options.frames ?? curveSizes(trace.pages))
  const ours = simulate(
    trace,
    kinds.filter(kind => kind !== null),
    frames,
    options,
  )
  const all: PolicyMisses[] = []
  for (const [i, name] of names.entries())
    all.push(kinds[i] === null ? await runPolicyFile(name, trace, frames, options.timeout) : ours.shift()!)
  const { records, pages, pageSize, diagnostics, first } = trace
  return {
    trace: file === '-' ? 'standard input' : file,
    format: trace.format,
    accesses: trace.accesses.length,
    pages,
    pageSize,
    records,
    diagnostics: { count: diagnostics, first: first.map(({ line, message }) => ({ line, message })) },
    frames,
    policies: all,
  }
}

const sorted = (frames: readonly number[]): number[] => [...new Set(frames)].sort((a, b) => a - b)

/** All that have a name. */
const known: readonly PolicyKind[] = [...policies, ...kernelPolicies]

function policyNamed(name: string): PolicyKind {
  const kind = known.find(each => each.name === name.toLowerCase())
  if (kind) return kind
  throw new UserError(`no policy "${name}"; there are ${known.map(each => each.name).join(', ')}, or a file FILE.ts`)
}

/** The accesses of a file. @throws InputError */
export async function readAccesses(
  file: string,
  format: AccessFormat,
  { onProgress, signal, ...options }: AccessFilesOptions,
): Promise<AccessTrace> {
  if (!ACCESS_FORMATS.includes(format))
    throw new UserError(`no format "${format}"; there are ${ACCESS_FORMATS.join(', ')}`)
  const reader = accessReader(format, options)
  const input: InputOptions = {
    onProgress: (read, total) => onProgress?.(read, total, 'reading'),
    ...(signal ? { signal } : {}),
  }
  try {
    await readInput(file, piece => reader.push(piece), input)
    return reader.end()
  } catch (error) {
    if (!(error instanceof TraceFormatError)) throw error
    throw new InputError(file, error.line > 0 ? `line ${error.line}: ${error.message}` : error.message)
  }
}

/** The documented object of `--json`. */
export function accessJson(report: AccessReport): object {
  const { policies: list, accesses, ...rest } = report
  return {
    ...rest,
    accesses,
    policies: list.map(each => ({ ...each, missRatios: each.misses.map(misses => misses / accesses) })),
  }
}
