// The kernel's tracing, used without a trace: a recording has an instance (a ring buffer and switches of its own) below
// tracefs, which goes when the recording ends, so that the tracing that others do is left as it was.
// Law: whatever is made here is undone by `close`/`remove`, also by Ctrl-C; an instance that a killed recording left
// behind is removed by the next one.
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atEnd } from '../at_end.ts'
import { explainFileError, UserError } from '../user_error.ts'
import { type Host, hostText } from './host.ts'

/** A mounted tracefs. */
export interface Tracefs {
  readonly path: string
  /** Unmounts it where this process mounted it. */
  close(): void
}

/** Finds tracefs, or mounts one for the time of the recording. @throws UserError where there is none */
export function openTracefs({ tracefs, proc }: Host): Tracefs {
  const mounted = tracefs.find(path => existsSync(join(path, 'events/kmem')))
  if (mounted !== undefined) return { path: mounted, close: () => {} }
  if (!/\btracefs$/m.test(hostText(join(proc, 'filesystems')) ?? ''))
    throw new UserError('record needs tracefs: this kernel has none (CONFIG_FTRACE)')
  return mountTracefs()
}

function mountTracefs(): Tracefs {
  const path = mkdtempSync(join(tmpdir(), 'mmtwin-tracefs-'))
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tracefs', 'nodev', path], { encoding: 'utf8' })
  if (status !== 0) {
    rmdirSync(path)
    const why = error?.message ?? stderr.trim().split('\n')[0]
    throw new UserError(`record needs tracefs, which is not mounted and cannot be: ${why}`)
  }
  const unmount = (): void => {
    spawnSync('umount', [path])
    rmdirSync(path)
  }
  const settled = atEnd(unmount)
  const close = (): void => {
    settled()
    unmount()
  }
  if (existsSync(join(path, 'events/kmem'))) return { path, close }
  close()
  throw new UserError('record needs the events of kmem: this kernel has none (CONFIG_TRACEPOINTS)')
}

export interface InstanceOptions {
  /** Names as `kmem:mm_page_alloc`. */
  readonly events: readonly string[]
  /** Ring buffer of each CPU. */
  readonly bufferKb: number
}

const PREFIX = 'mmtwin-'

/** A ring buffer with switches of its own. */
export class TraceInstance {
  readonly path: string
  readonly #settled: () => void
  #pipe = -1
  readonly #buffer = Buffer.alloc(1 << 20)

  constructor({ path }: Tracefs, { events, bufferKb }: InstanceOptions) {
    removeStale(path)
    this.path = join(path, 'instances', `${PREFIX}${process.pid}`)
    try {
      mkdirSync(this.path)
    } catch (error) {
      throw explainFileError(this.path, error)
    }
    this.#settled = atEnd(() => this.#remove())
    try {
      this.#set('tracing_on', '0')
      this.#set('buffer_size_kb', String(bufferKb))
      for (const event of events) this.#set(`events/${event.replace(':', '/')}/enable`, '1')
      this.#pipe = openSync(join(this.path, 'trace_pipe'), constants.O_RDONLY | constants.O_NONBLOCK)
    } catch (error) {
      this.remove()
      throw error
    }
  }

  start(): void {
    this.#set('tracing_on', '1')
  }

  stop(): void {
    this.#set('tracing_on', '0')
  }

  /** Writes a line into the trace. */
  mark(text: string): void {
    this.#set('trace_marker', text)
  }

  /** Gives what the buffers hold to `take`, up to `most` bytes. */
  drain(take: (bytes: Uint8Array) => void, most: number = Number.POSITIVE_INFINITY): void {
    for (let done = 0; done < most; ) {
      const bytes = readSome(this.#pipe, this.#buffer)
      if (bytes === 0) return
      take(this.#buffer.subarray(0, bytes))
      done += bytes
    }
  }

  /** The buffers' statistics, a line a CPU, as the recordings of this project have them. */
  statistics(): string {
    const folder = join(this.path, 'per_cpu')
    const cpus = readdirSync(folder).sort((a, b) => Number(a.slice(3)) - Number(b.slice(3)))
    return cpus
      .map(cpu => `${cpu}: ${(hostText(join(folder, cpu, 'stats')) ?? '').trim().replaceAll('\n', ' ')}\n`)
      .join('')
  }

  /** Removes the instance: all of it is as if it had never been. */
  remove(): void {
    this.#settled()
    this.#remove()
  }

  #remove(): void {
    if (this.#pipe >= 0) closeSync(this.#pipe)
    removeInstance(this.path)
  }

  #set(name: string, value: string): void {
    const path = join(this.path, name)
    try {
      writeFileSync(path, value)
    } catch (error) {
      throw explainFileError(path, error)
    }
  }
}

/** Events that got lost because a buffer was full, from the buffers' statistics. */
export function lostEvents(statistics: string): number {
  let lost = 0
  for (const [, count] of statistics.matchAll(/\b(?:overrun|dropped events): (\d+)/g)) lost += Number(count)
  return lost
}

/** Bytes read; 0 = nothing is there now. */
function readSome(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer, 0, buffer.length, null)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
    throw error
  }
}

function removeInstance(path: string): void {
  try {
    writeFileSync(join(path, 'events/enable'), '0')
    rmdirSync(path)
  } catch {
    // It goes with the next recording, or is gone already.
  }
}

/** Instances of recordings that were killed. */
function removeStale(tracefs: string): void {
  for (const name of readdirSync(join(tracefs, 'instances'))) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length)) : Number.NaN
    if (Number.isInteger(pid) && !alive(pid)) removeInstance(join(tracefs, 'instances', name))
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
