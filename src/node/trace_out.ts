// The events of a twin as a file of ftrace text. The file appears when it is whole.
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { format_gfp } from '../mm/gfp_names.ts'
import type { Sys } from '../mm/mmzone.ts'
import type { EventBatch } from '../trace/batch.ts'
import { FtraceWriter, ftraceHeader } from '../trace/ftrace_writer.ts'
import { unfinished } from './unfinished.ts'
import { explainFileError } from './user_error.ts'

/** Where a twin's events go. */
export interface TraceOut {
  /** Events of the machine `sys`. */
  write(sys: Sys, batch: EventBatch): void
  /** Ends the file. */
  finish(sys: Sys): void
  /** Removes what is not finished. */
  discard(): void
}

/** The head with room for any number of events. */
function head(events: number, cpus: number): string {
  return ftraceHeader(events, events, cpus).replace(/(\d+\/\d+) +#P/, (_, counts: string) => `${counts.padEnd(34)}#P`)
}

function writerOf({ kernel }: Sys): FtraceWriter {
  return new FtraceWriter({
    pointerDigits: kernel.BITS_PER_LONG === 64 ? 16 : 8,
    gfpNames: gfp => format_gfp(kernel.gfp, gfp) || 'none',
    zoneName: type => kernel.zones[type] ?? String(type),
  })
}

/** Begins a file at `path`. @throws UserError where it cannot be written */
export function traceOut(path: string): TraceOut {
  const draft = `${path}.${process.pid}.tmp`
  const settled = unfinished(draft)
  let fd = -1
  let events = 0
  const room = head(0, 0).length + 8
  let writer: FtraceWriter | null = null
  const guarded = <T>(action: () => T): T => {
    try {
      return action()
    } catch (error) {
      throw explainFileError(path, error)
    }
  }
  const write = (text: string): void =>
    guarded(() => {
      const bytes = Buffer.from(text)
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
    })
  guarded(() => {
    fd = openSync(draft, 'w')
  })
  write(' '.repeat(room))
  return {
    write(sys, batch) {
      events += batch.length
      writer ??= writerOf(sys)
      write(writer.batch(batch))
    },
    finish(sys) {
      guarded(() => {
        writeSync(
          fd,
          `${head(events, sys.nr_cpus)
            .trimEnd()
            .padEnd(room - 1)}\n`,
          0,
        )
        closeSync(fd)
        fd = -1
        renameSync(draft, path)
        settled()
      })
    },
    discard() {
      if (fd >= 0) closeSync(fd)
      fd = -1
      rmSync(draft, { force: true })
      settled()
    },
  }
}
