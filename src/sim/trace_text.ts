// What a machine's record ring holds, as the text of ftrace's `trace` file, with the names of its kernel.
import { format_gfp } from '../mm/gfp_names.ts'
import type { Sys } from '../mm/mmzone.ts'
import { FtraceWriter, ftraceHeader } from '../trace/ftrace_writer.ts'
import type { RecordRing } from '../trace/record_ring.ts'

/** The last `count` events of a ring. */
export function traceText({ kernel, nr_cpus }: Sys, ring: RecordRing, count: number = ring.entries): string {
  const writer = new FtraceWriter({
    pointerDigits: kernel.BITS_PER_LONG === 32 ? 8 : 16,
    gfpNames: gfp => format_gfp(kernel.gfp, gfp) || 'none',
    zoneName: zone => kernel.zones[zone] ?? String(zone),
  })
  const lines: string[] = []
  ring.read(batch => {
    for (let row = 0; row < batch.length; row++) lines.push(`${writer.line(batch, row)}\n`)
  })
  const shown = lines.slice(Math.max(0, lines.length - count))
  return ftraceHeader(shown.length, ring.written, nr_cpus) + shown.join('')
}
