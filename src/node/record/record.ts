// A recording: the machine's files, its state, a trace of the page allocator while a command runs, its state again.
// Layout: boot/ before/ after/ trace.txt set_event ringstats record.json, which `replay` takes as it is.
// Law: between the two states the trace is drained into its file all the time; the markers SNAP_BEGIN and SNAP_END
// stand around each state; whatever happens, tracing is left as it was found.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { explainFileError, UserError } from '../user_error.ts'
import { captureMachine, MomentCapture } from './capture.ts'
import { type Host, needsRoot } from './host.ts'
import { lostEvents, openTracefs, type Tracefs, TraceInstance } from './tracefs.ts'

/** Events without which there is nothing to replay, and those that tell more. */
const NEEDED = ['kmem:mm_page_alloc', 'kmem:mm_page_free'] as const
const WANTED = [
  'kmem:mm_page_free_batched',
  'kmem:mm_page_alloc_zone_locked',
  'kmem:mm_page_pcpu_drain',
  'kmem:mm_page_alloc_extfrag',
  'compaction:mm_compaction_isolate_freepages',
] as const
const SLAB = ['kmem:kmalloc', 'kmem:kfree', 'kmem:kmem_cache_alloc', 'kmem:kmem_cache_free'] as const

export interface RecordOptions {
  /** Folder to make; it must not be there, or be empty. */
  readonly folder: string
  /** Program and arguments; empty: until the time is over or `signal` says so. */
  readonly command: readonly string[]
  /** Seconds without a command; default: until `signal`. */
  readonly seconds?: number
  /** Also the events of kmalloc and its kin. */
  readonly slab: boolean
  /** Also the map of frames: exact, but it takes a second per 20 GiB. */
  readonly physmap: boolean
  /** kB of ring buffer a CPU. */
  readonly bufferKb: number
  /** Ends the recording as if the command had ended. */
  readonly signal?: AbortSignal
}

/** What was recorded; also written as record.json. */
export interface Recorded {
  readonly folder: string
  /** Trace file to replay. */
  readonly trace: string
  readonly seconds: number
  readonly lines: number
  readonly lostEvents: number
  /** Events and files that this host does not have. */
  readonly missing: readonly string[]
  readonly command: {
    readonly words: readonly string[]
    readonly status: number | null
    readonly signal: string | null
  }
}

/** Records. @throws UserError in one sentence where the host lacks what is needed, or a file cannot be written */
export async function record(host: Host, options: RecordOptions): Promise<Recorded> {
  needsRoot(host)
  makeFolder(options.folder)
  const tracefs = openTracefs(host)
  try {
    return await recordWith(host, tracefs, options)
  } finally {
    tracefs.close()
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true })
    if (readdirSync(folder).length > 0)
      throw new UserError(`${folder}: not empty; a recording needs a folder of its own`)
  } catch (error) {
    throw explainFileError(folder, error)
  }
}

async function recordWith(host: Host, tracefs: Tracefs, options: RecordOptions): Promise<Recorded> {
  const { folder, command, physmap } = options
  const events = eventsOf(tracefs, options.slab)
  const missing = events.missing.concat(captureMachine(host, join(folder, 'boot')))
  const moments = ['before', 'after'].map(name => [name, new MomentCapture(host, physmap)] as const)
  const instance = new TraceInstance(tracefs, { events: events.there, bufferKb: options.bufferKb })
  const file = new TraceFile(join(folder, 'trace.txt'))
  const started = performance.now()
  try {
    instance.start()
    capture(instance, file, ...moments[0]!)
    const ended = await drainWhile(instance, file, runUntilEnd(options))
    capture(instance, file, ...moments[1]!)
    instance.stop()
    instance.drain(file.take)
    const ringstats = instance.statistics()
    for (const [name, moment] of moments) moment.write(join(folder, name))
    for (const [, moment] of moments) missing.push(...moment.missing)
    const recorded: Recorded = {
      folder,
      trace: join(folder, 'trace.txt'),
      seconds: (performance.now() - started) / 1000,
      lines: file.lines,
      lostEvents: lostEvents(ringstats),
      missing: [...new Set(missing)],
      command: { words: command, ...ended },
    }
    writeFileSync(join(folder, 'ringstats'), ringstats)
    writeFileSync(join(folder, 'set_event'), events.there.map(name => `${name}\n`).join(''))
    writeFileSync(join(folder, 'record.json'), `${JSON.stringify(recorded, null, 2)}\n`)
    return recorded
  } finally {
    file.close()
    instance.remove()
  }
}

function eventsOf({ path }: Tracefs, slab: boolean): { there: string[]; missing: string[] } {
  const isThere = (name: string): boolean => existsSync(join(path, 'events', name.replace(':', '/'), 'enable'))
  const lacking = NEEDED.filter(name => !isThere(name))
  if (lacking.length > 0)
    throw new UserError(`record needs the events ${lacking.join(' and ')}, which this kernel lacks`)
  const all = [...NEEDED, ...WANTED, ...(slab ? SLAB : [])]
  return { there: all.filter(isThere), missing: all.filter(name => !isThere(name)) }
}

/** A state, between its markers. */
function capture(instance: TraceInstance, file: TraceFile, name: string, moment: MomentCapture): void {
  instance.drain(file.take)
  instance.mark(`SNAP_BEGIN ${name}`)
  moment.take()
  instance.mark(`SNAP_END ${name}`)
}

type Ended = Pick<Recorded['command'], 'status' | 'signal'>

/** Bytes drained in one go, so that the end of the command is not waited for in vain on a busy machine. */
const SLICE = 8 << 20
const DRAIN_MS = 20

async function drainWhile(instance: TraceInstance, file: TraceFile, ended: Promise<Ended>): Promise<Ended> {
  let failed: { error: unknown } | null = null
  const timer = setInterval(() => {
    try {
      instance.drain(file.take, SLICE)
    } catch (error) {
      failed ??= { error }
    }
  }, DRAIN_MS)
  try {
    const result = await ended
    if (failed) throw (failed as { error: unknown }).error
    return result
  } finally {
    clearInterval(timer)
  }
}

async function runUntilEnd({ command, seconds, signal }: RecordOptions): Promise<Ended> {
  if (command.length > 0) return runCommand(command, signal)
  await new Promise<void>(resolve => {
    if (signal?.aborted) return resolve()
    const timer = seconds === undefined ? setInterval(() => {}, 2 ** 30) : setTimeout(done, seconds * 1000)
    function done(): void {
      clearTimeout(timer)
      resolve()
    }
    signal?.addEventListener('abort', done, { once: true })
  })
  return { status: null, signal: null }
}

function runCommand([program, ...words]: readonly string[], signal: AbortSignal | undefined): Promise<Ended> {
  const child: ChildProcess = spawn(program!, words, { stdio: 'inherit' })
  signal?.addEventListener('abort', () => child.kill('SIGINT'), { once: true })
  return new Promise((resolve, reject) => {
    child.once('error', error => reject(explainFileError(program!, error)))
    child.once('exit', (status, died) => resolve({ status, signal: died }))
  })
}

/** The trace's file. What a pipe of the kernel gives has no head; readers of ftrace text know it by this line. */
class TraceFile {
  lines = 0
  readonly #path: string
  readonly #fd: number

  constructor(path: string) {
    this.#path = path
    try {
      this.#fd = openSync(path, 'wx')
    } catch (error) {
      throw explainFileError(path, error)
    }
    this.take(Buffer.from('# tracer: nop\n#\n'))
    this.lines = 0
  }

  readonly take = (bytes: Uint8Array): void => {
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) this.lines++
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done)
    } catch (error) {
      throw explainFileError(this.#path, error)
    }
  }

  close(): void {
    closeSync(this.#fd)
  }
}
