// Settings written at run time. Custom C2: the complete state after a boot and one or two writes, which the file's name
// tells. Stock: steps in order, each a `set` of names and values, an `err` where the kernel refused, and zoneinfo and all
// of vm.* right after. Compared: watermarks, protection, list sizes, thresholds, the values themselves, the refusals.
// Writes to settings outside vm's memory sizing (overcommit, dirty limits …) change none of these and are not modelled.
import { zone_named } from '../mm/kernel.ts'
import type { Sys } from '../mm/mmzone.ts'
import { sysctl_defaults } from '../mm/page_alloc/setup.ts'
import { EINVAL, lowmem_reserve_ratio_sysctl_handler, sysctl_names, sysctl_read, sysctl_write } from '../mm/sysctl.ts'
import { readSysVm } from '../report/proc/sys_vm.ts'
import { readZoneinfo } from '../report/proc/zoneinfo.ts'
import { compute_at_boot } from '../sim/boot_sequence.ts'
import { parseCommandLine } from '../sim/command_line.ts'
import { type RecordedState, readRecordedState, sysOfRecordedState } from './allocator_state.ts'
import { checkState } from './boot.ts'
import { type BootFolder, bootFolders, bootRecorded, lateFrees, readBootFolder } from './boot_folder.ts'
import { jsonLines, type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'
import { checkZoneinfo } from './zoneinfo_lines.ts'

export const sysctlKind: VerifyKind = {
  kind: 'sysctl',
  run(files) {
    const counts = tally('sysctl')
    const folders = bootFolders(files)
    for (const file of files)
      if (STATE_FILE.test(file.path)) guarded(counts, file, () => runState(file, folders, counts))
    for (const folder of folders) runSteps(folder, files, counts)
    return counts.result()
  },
}

/** sysctl/MACHINE/SETTINGS.jsonl */
const STATE_FILE = /(^|\/)sysctl\/[^/]+\/[^/]+\.jsonl(\.gz)?$/

function guarded(counts: Tally, file: VerifyFile, run: () => void): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    counts.file(file.path)
    counts.check(1, 'a machine to boot', error.message)
  }
}

function runState(file: VerifyFile, folders: readonly BootFolder[], counts: Tally): void {
  const recorded = readRecordedState([...jsonLines(file.text())])
  if (!recorded) throw new RangeError('neither a meta line nor a state')
  const sys = freshMachine(recorded)
  compute_at_boot(sys, {
    managed: Float64Array.from(sys.zone.managed_pages),
    late: lateFreesOfKernel(sys, file.path, folders),
    ...parseCommandLine(recorded.meta.cmdline),
  })
  const settings = settingsOfName(file.path)
  if (comesAfterRatios(settings)) sysctl_write(sys, 'lowmem_reserve_ratio', sys.sysctl.lowmem_reserve_ratio.join(' '))
  for (const [name, value] of settings) sysctl_write(sys, name, value)
  checkState(sys, file, counts)
}

/** The recorded machine without what is to be computed. */
function freshMachine(recorded: RecordedState): Sys {
  const sys = sysOfRecordedState(recorded)
  const { watermark, lowmem_reserve, percpu_drift_mark, watermark_boost } = sys.zone
  const { pageset_high_min, pageset_high_max, pageset_batch } = sys.zone
  const computed = [watermark, lowmem_reserve, percpu_drift_mark, watermark_boost]
  const sizes = [pageset_high_min, pageset_high_max, pageset_batch, sys.pcp.high, sys.pcp.batch, sys.pcp.stat_threshold]
  for (const column of [...computed, ...sizes]) column.fill(0)
  sysctl_defaults(sys)
  const movable = sys.kernel.zones.indexOf('Movable')
  const populated = (zone: number): boolean => sys.zone.present_pages[zone]! > 0 && zone % sys.nr_zone_types < movable
  for (let zone = 0; zone < sys.nr_zones; zone++)
    if (populated(zone)) sys.machine.movable_zone[0] = Math.max(sys.machine.movable_zone[0]!, zone % sys.nr_zone_types)
  return sys
}

/** These files come without a log; another boot of the same kernel tells which parts of its image it frees. */
function lateFreesOfKernel(sys: Sys, path: string, folders: readonly BootFolder[]): Float64Array {
  const kernel = path.slice(0, path.search(/(^|\/)sysctl\//) + 1)
  const sibling = folders.find(
    folder => folder.path.startsWith(kernel) && folder.path.slice(kernel.length).startsWith('boot/'),
  )
  return sibling ? lateFrees(sys, readBootFolder(sibling)) : new Float64Array(sys.nr_zones)
}

/** `min_free_kbytes=2048,lowmem_reserve_ratio=256_32_0_0`: blanks are written as underscores. */
function settingsOfName(path: string): [name: string, value: string][] {
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/\.jsonl(\.gz)?$/, '')
  return name.split(',').flatMap(part => {
    const [setting, value] = part.split('=')
    return value === undefined ? [] : [[setting!, value.replaceAll('_', ' ')] as [string, string]]
  })
}

/** One boot made all files of a machine, group after group; after a group its setting was written back. */
const GROUPS = ['min_free_kbytes', 'watermark_scale_factor', 'lowmem_reserve_ratio', 'percpu_pagelist_high_fraction']

function comesAfterRatios(settings: readonly (readonly [name: string, value: string])[]): boolean {
  return GROUPS.indexOf(settings.at(-1)?.[0] ?? '') > GROUPS.indexOf('lowmem_reserve_ratio')
}

interface Step {
  readonly set: VerifyFile
  readonly files: ReadonlyMap<string, VerifyFile>
}

/** The steps beside a boot folder, in order. */
function stepsOf(folder: BootFolder, files: readonly VerifyFile[]): Step[] {
  const base = folder.path.replace(/boot\/$/, 'sysctl/')
  if (base === folder.path) return []
  const steps = new Map<string, Map<string, VerifyFile>>()
  for (const file of files) {
    if (!file.path.startsWith(base)) continue
    const [step, name] = file.path.slice(base.length).split('/')
    if (name === undefined) continue
    const known = steps.get(step!) ?? new Map<string, VerifyFile>()
    known.set(name.replace(/\.gz$/, ''), file)
    steps.set(step!, known)
  }
  return [...steps.keys()].sort().flatMap(step => {
    const known = steps.get(step)!
    const set = known.get('set')
    return set ? [{ set, files: known }] : []
  })
}

function runSteps(folder: BootFolder, files: readonly VerifyFile[], counts: Tally): void {
  const steps = stepsOf(folder, files)
  if (steps.length === 0) return
  guarded(counts, steps[0]!.set, () => {
    const sys = bootRecorded(readBootFolder(folder))
    if (folder.files.has('sys_vm.txt')) lowmem_reserve_ratio_sysctl_handler(sys)
    for (const step of steps) runStep(sys, step, counts)
  })
}

function runStep(sys: Sys, { set, files }: Step, counts: Tally): void {
  const zoneinfo = files.get('zoneinfo')?.text()
  if (zoneinfo !== undefined) setManaged(sys, zoneinfo)
  counts.file(set.path)
  const refused = writeAll(sys, set.text())
  counts.check(1, files.get('err')?.text().trim().split(': ').at(-1) ?? '', refused)
  if (zoneinfo !== undefined) {
    counts.file(files.get('zoneinfo')!.path)
    checkZoneinfo(sys, zoneinfo, counts)
  }
  const vm = files.get('sys_vm.txt')
  if (!vm) return
  // All of vm.* was read.
  lowmem_reserve_ratio_sysctl_handler(sys)
  checkSettings(sys, vm, counts)
}

/** The managed pages of that moment are given. */
function setManaged(sys: Sys, text: string): void {
  for (const { node, name, pages } of readZoneinfo(text).facts.zones) {
    const type = zone_named(sys.kernel, name)
    if (type >= 0 && node < sys.nr_nodes) sys.zone.managed_pages[node * sys.nr_zone_types + type] = pages.managed
  }
}

/** `name value name value`; a list's numbers are separated by tabs. Returns what the shell would say of a refusal. */
function writeAll(sys: Sys, text: string): string {
  const words = text.trim().split(/[ \n]+/)
  const names = new Set(sysctl_names(sys))
  let refused = ''
  for (let i = 0; i + 1 < words.length; i += 2)
    if (names.has(words[i]!) && sysctl_write(sys, words[i]!, words[i + 1]!) === -EINVAL) refused = 'Invalid argument'
  return refused
}

function checkSettings(sys: Sys, file: VerifyFile, counts: Tally): void {
  counts.file(file.path)
  const { settings } = readSysVm(file.text()).facts
  const lines = file.text().split('\n')
  for (const name of sysctl_names(sys)) {
    const value = settings.get(name)
    if (value === undefined) continue
    const line = lines.findIndex(text => text.includes(name)) + 1
    counts.check(line, value.trim(), (sysctl_read(sys, name) ?? '').replaceAll('\t', ' '))
  }
}
