// The machine of a report: its captured files, or, where nothing was captured (it panicked), what the report says of its
// zones. Zones that a report does not show are one, with what the sums leave for it.
import { kernel_for_release } from '../kernels/index.ts'
import type { Sys } from '../mm/mmzone.ts'
import type { ZoneFacts } from '../report/proc/zoneinfo.ts'
import { readSnapshot, SNAPSHOT_FILES } from '../report/snapshot.ts'
import { boot_zones_from_snapshot } from '../sim/boot_snapshot.ts'
import type { LoggedReport } from './oom_report_lines.ts'
import type { VerifyFile } from './types.ts'

const OPTIONS = { shared: false, capacity: { nr_tasks: 256 } } as const

/** Zones without pages, tasks without rows. @throws RangeError where neither files nor report tell of a machine */
export function machineOfReport(file: VerifyFile, files: readonly VerifyFile[], report: LoggedReport): Sys {
  const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1)
  const known = new Set(Object.values(SNAPSHOT_FILES).flat())
  const texts = new Map<string, string>()
  // Files of the moment before stand in for those of the boot.
  for (const part of ['boot/', 'before/'])
    for (const each of files) {
      const name = each.path.slice(folder.length + part.length).replace(/\.gz$/, '')
      if (each.path.startsWith(folder + part) && known.has(name)) texts.set(name, each.text())
    }
  return texts.has('zoneinfo') ? boot_zones_from_snapshot(readSnapshot(texts), OPTIONS) : machineOfLines(report)
}

function machineOfLines({ lines, release }: LoggedReport): Sys {
  const kernel = kernel_for_release(release, /amd64|x86_64/.test(release) ? 'x86_64' : 'i386')
  if (kernel === null) throw new RangeError(`no kernel profile for release ${release}`)
  const texts = lines.map(({ text }) => text)
  const zones: ZoneFacts[] = texts.flatMap((text, at) => zoneOf(text, texts[at + 1] ?? '', kernel.PAGE_SHIFT))
  if (zones.length === 0) throw new RangeError('no captured files of the machine, and no zones in the report')
  const total = (pattern: RegExp): number => Number(texts.map(text => pattern.exec(text)).find(Boolean)?.[1] ?? 0)
  const sum = (field: 'present' | 'managed'): number => zones.reduce((all, { pages }) => all + pages[field], 0)
  const present = total(/^(\d+) pages RAM/) - sum('present')
  const managed = total(/^(\d+) pages RAM/) - total(/^(\d+) pages reserved/) - sum('managed')
  const name = kernel.zones.filter(each => each !== 'Movable' && each !== 'Device').at(-1)!
  if (present > 0) zones.push({ ...zones.at(-1)!, name, pages: { ...NOTHING, present, managed, spanned: present } })
  let start = 0
  for (const zone of zones) {
    zone.startPfn = start
    start += zone.pages.spanned
  }
  const snapshot = { ...readSnapshot(new Map()), zoneinfo: { zones, nodes: [], strays: [] } }
  return boot_zones_from_snapshot(snapshot, { ...OPTIONS, kernel })
}

const NOTHING = { free: 0, boost: 0, min: 0, low: 0, high: 0 }

function zoneOf(text: string, reserves: string, shift: number): ZoneFacts[] {
  const match = /^(?:Node (\d+) )?(\w+) free:/.exec(text)
  if (!match) return []
  const pages = (name: string): number =>
    Number(new RegExp(` ${name}:(\\d+)kB`).exec(text)?.[1] ?? 0) / 2 ** (shift - 10)
  const present = pages('present')
  return [
    {
      node: Number(match[1] ?? 0),
      name: match[2]!,
      pages: {
        free: pages('free'),
        boost: pages('boost'),
        min: pages('min'),
        low: pages('low'),
        high: pages('high'),
        spanned: present,
        present,
        managed: pages('managed'),
      },
      protection: reserves.split(' ').slice(1).map(Number),
      counters: new Map(),
      pagesets: [{ cpu: 0, count: 0, high: 0, batch: 1 }],
      nodeUnreclaimable: 0,
      startPfn: 0,
    },
  ]
}
