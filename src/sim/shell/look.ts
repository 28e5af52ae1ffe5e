// The shell's words that look and change nothing.

import { PAGE_USED, PG } from '../../mm/mm_types.ts'
import {
  BLOCK_HOLE,
  BLOCK_LAZY,
  BLOCK_RESERVED,
  get_pageblock_migratetype,
  page_zone,
  type Sys,
  zone_name,
} from '../../mm/mmzone.ts'
import { zone_page_state } from '../../mm/vmstat.ts'
import { NR_FREE_PAGES } from '../../mm/vmstat_item.ts'
import { frameUse, freeNotation } from '../diff.ts'
import { zoneTitle } from '../explain_byte.ts'
import { procFile, procFolder, procPaths } from '../inspect.ts'
import { populatedZones } from '../inspect_zones.ts'
import { traceText } from '../trace_text.ts'
import { type Builtin, type Session, unknownWord } from './session.ts'
import { ShellFailure, ShellSyntaxError, wholeNumber } from './words.ts'

/** Files that show allocators above the page allocator: who looks at them wants these to be there. */
const OF_ALLOCATORS = /^(\/proc\/)?(slabinfo|vmallocinfo)$|^\/?sys\/kernel\/slab(\/|$)/

function cat(session: Session, paths: readonly string[]): string {
  const { machine } = session
  return paths
    .map(path => {
      if (OF_ALLOCATORS.test(path)) session.initAllocators()
      const text = procFile(machine.sys, path, machine.constants)
      if (text === null) throw new ShellFailure(unknownWord('file', path, procPaths(machine.sys, machine.constants)))
      return text
    })
    .join('')
}

function ls(session: Session, [path = '/']: readonly string[]): string {
  const { machine } = session
  if (OF_ALLOCATORS.test(path)) session.initAllocators()
  const full = path.startsWith('/') ? path : `/${path}`
  const names = procFolder(machine.sys, full, machine.constants)
  if (names !== null) return `${names.join('\n')}\n`
  if (procFile(machine.sys, full, machine.constants) !== null) return `${full}\n`
  throw new ShellFailure(`${path}: no such file or folder`)
}

/** Lines whose columns are as wide as their widest cell. */
function columns(rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map(row => row.map(String))
  const widths = cells[0]!.map((_, i) => Math.max(...cells.map(row => row[i]!.length)))
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')
  return cells.map(row => `${line(row)}\n`).join('')
}

function zones({ machine: { sys } }: Session): string {
  const { zone } = sys
  const head = ['zone', 'start', 'spanned', 'present', 'managed', 'free', 'min', 'low', 'high']
  const rows = populatedZones(sys).map(row => [
    zoneTitle(sys, row),
    zone.zone_start_pfn[row]!,
    zone.spanned_pages[row]!,
    zone.present_pages[row]!,
    zone.managed_pages[row]!,
    zone_page_state(sys, row, NR_FREE_PAGES),
    ...[...zone.watermark.subarray(4 * row, 4 * row + 3)].map(mark => mark + zone.watermark_boost[row]!),
  ])
  return columns([head, ...rows])
}

function buddy({ machine: { sys } }: Session, [wanted]: readonly string[]): string {
  const all = populatedZones(sys)
  const rows = all.filter(zone => wanted === undefined || zone_name(sys, zone).toLowerCase() === wanted.toLowerCase())
  if (rows.length === 0)
    throw new ShellFailure(
      unknownWord(
        'zone',
        wanted!,
        all.map(zone => zone_name(sys, zone)),
      ),
    )
  return rows.map(zone => `${zoneTitle(sys, zone)}: ${freeNotation(sys, zone) || 'nothing free'}\n`).join('')
}

const BLOCK_USE: Readonly<Record<number, string>> = {
  [BLOCK_HOLE]: 'no memory',
  [BLOCK_LAZY]: 'free, never handed out since boot',
  [BLOCK_RESERVED]: 'reserved at boot',
}

function page(session: Session, [word]: readonly string[]): string {
  const { sys } = session.machine
  const pfn = word!.startsWith('$') ? session.block(word!).pfn : wholeNumber(word, 'frame')
  if (pfn >= sys.nr_frames) throw new ShellFailure(`frame ${pfn}: the machine has frames 0 to ${sys.nr_frames - 1}`)
  const zone = page_zone(sys, pfn)
  const state = sys.page.state[pfn]!
  const rows: [string, string | number][] = [
    ['frame', `${pfn} (0x${pfn.toString(16)})`],
    ['zone', zone < 0 ? 'none' : zoneTitle(sys, zone)],
    ['is', BLOCK_USE[sys.block.state[pfn >>> sys.block_shift]!] ?? frameUse(state)],
    ...(zone < 0 ? [] : pageRows(sys, pfn, zone, state)),
  ]
  return rows.map(([name, value]) => `${name.padEnd(10)} ${value}\n`).join('')
}

function pageRows(sys: Sys, pfn: number, zone: number, state: number): [string, string | number][] {
  const flags = Object.entries(PG).filter(([, bit]) => (sys.page.flags[pfn]! & bit) !== 0)
  const [next, prev] = [sys.link.link[2 * pfn]!, sys.link.link[2 * pfn + 1]!]
  const onList = state !== 0 && (state & PAGE_USED) === 0
  const entry = (row: number): string => (row < sys.nr_frames ? `frame ${row}` : 'the list head')
  return [
    ['pageblock', sys.kernel.migratetypes[get_pageblock_migratetype(sys, zone, pfn)]!],
    ['refcount', sys.page._refcount[pfn]!],
    ['flags', flags.map(([name]) => name).join('|') || 'none'],
    ...(onList ? ([['on a list', `between ${entry(prev)} and ${entry(next)}`]] as [string, string][]) : []),
  ]
}

function trace(session: Session, [what, count]: readonly string[]): string {
  if (what === 'on' || what === 'off') {
    session.tracing = what === 'on'
    return ''
  }
  if (what === 'clear') {
    session.ring.clear()
    return ''
  }
  if (what !== 'show') throw new ShellSyntaxError(`trace takes on, off, show or clear, not "${what}"`)
  return traceText(
    session.machine.sys,
    session.ring,
    count === undefined ? session.ring.entries : wholeNumber(count, 'number of events'),
  )
}

function check({ machine }: Session): string {
  const broken = machine.check()
  if (broken.length > 0)
    throw Object.assign(new ShellFailure(`${broken.length} laws are broken`), { text: `${broken.join('\n')}\n` })
  return 'all laws hold\n'
}

const group = 'look'

export const lookBuiltins: Readonly<Record<string, Builtin>> = {
  cat: {
    usage: 'FILE…',
    about: 'prints files of /proc and /sys as the kernel lays them out',
    group,
    arity: [1, 64],
    run: cat,
  },
  ls: { usage: '[FOLDER]', about: 'names of the files that there are', group, arity: [0, 1], run: ls },
  zones: { usage: '', about: 'all zones with their sizes and watermarks, pages', group, arity: [0, 0], run: zones },
  buddy: { usage: '[ZONE]', about: 'free blocks as order:blocks', group, arity: [0, 1], run: buddy },
  page: { usage: '$N|PFN', about: 'what a frame is', group, arity: [1, 1], run: page },
  dmesg: {
    usage: '',
    about: 'what the kernel printed',
    group,
    arity: [0, 0],
    run: ({ machine }) => machine.log.map(({ line }) => `${line}\n`).join(''),
  },
  trace: {
    usage: 'on|off|show [N]|clear',
    about: 'tracepoints into a buffer, and the buffer as ftrace text',
    group,
    arity: [1, 2],
    run: trace,
  },
  check: { usage: '', about: 'checks all laws of the tables', group, arity: [0, 0], run: check },
  hash: {
    usage: '',
    about: 'a number for the whole state',
    group,
    arity: [0, 0],
    run: ({ machine }) => `${machine.hash()}\n`,
  },
}
