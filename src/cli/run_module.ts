// `mmtwin run FILE.ts`: a kernel module on a twin: its log as it is printed, then what it left behind.
import type { ModuleFileOptions } from '../node/module_file.ts'
import type { MachineDescription } from '../sim/machine_description.ts'
import type { Leak, ModuleReport } from '../sim/module/run_module.ts'
import { print, printJson } from './output.ts'
import { coloured } from './text.ts'

export interface ModuleRunOptions {
  readonly machine?: string
  readonly memory?: string
  readonly cpus?: number
  readonly kernel?: string
  readonly slab?: NonNullable<MachineDescription['slab']>
  readonly config?: Readonly<Record<string, boolean>>
  readonly append?: string
  readonly kasan?: boolean
  readonly seed?: number
  readonly timeout?: number
  readonly calls?: number
  readonly json?: boolean
}

/** Runs the module of a file; exit 1 where it left anything behind. */
export async function runModuleCommand(path: string, options: ModuleRunOptions): Promise<void> {
  const { runModuleFile } = await import('../node/module_file.ts')
  const { isClean } = await import('../sim/module/run_module.ts')
  const report = await runModuleFile(path, moduleOptions(options))
  const clean = isClean(report)
  if (options.json) printJson({ ...report, clean })
  else print(reportText(report))
  if (!clean) process.exitCode = 1
}

function moduleOptions({ machine, timeout, calls, json, append, ...rest }: ModuleRunOptions): ModuleFileOptions {
  const { memory, cpus, kernel, slab, config, seed, kasan } = rest
  const given = Object.entries({ memory, cpus, kernel, slab, config, commandLine: append, seed, kasan }).filter(
    ([, value]) => value != null,
  )
  return {
    choices: Object.fromEntries(given),
    ...(machine === undefined ? {} : { machine }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(calls === undefined ? {} : { limit: calls }),
    ...(json ? {} : { onLine: line => print(`${line}\n`) }),
  }
}

/** Leaks that are shown one by one. */
const SHOWN = 20

function reportText(report: ModuleReport): string {
  const { module, kernel, calls, unheard, leaks, caches, pools, faults, kmemleak, kasanReports } = report
  const lines = [
    ...(unheard > 0 ? [`… and ${unheard} lines more`] : []),
    '',
    `${coloured(module, 'bold')} on ${kernel}: ${endText(report)}`,
    `calls of the kernel: ${calls}`,
    ...complaintText(report),
    ...leaks.slice(0, SHOWN).map(leakText),
    ...(leaks.length > SHOWN ? [`and ${leaks.length - SHOWN} leaks more`] : []),
    ...(leaks.length > 0 ? [`${bad('leaked')}: ${leaks.reduce((sum, { bytes }) => sum + bytes, 0)} bytes`] : []),
    ...kasanReports.map(title => `${bad('KASAN')}: ${title}`),
    ...caches.map(name => `${bad('cache not destroyed')}: ${name}`),
    ...(pools > 0 ? [`${bad('pools not destroyed')}: ${pools}`] : []),
    ...kmemleakText(kmemleak),
    ...faults.map(fault => `${bad('broken')}: ${fault}`),
    ...(leaks.length + caches.length + pools === 0 && report.error === null ? ['nothing is left behind'] : []),
    ...(faults.length === 0 ? ['the machine is sound: all laws hold'] : []),
  ]
  return lines.map(line => `${line}\n`).join('')
}

/** What kmemleak said, in the kernel's form; nothing where the kernel has none. */
function kmemleakText(kmemleak: ModuleReport['kmemleak']): string[] {
  if (kmemleak === null) return []
  const { loaded, ended } = kmemleak
  const told = (when: string, text: string): string[] =>
    text === '' ? [] : [`${bad('kmemleak')}, ${when}:`, text.replace(/\n$/, '')]
  if (loaded === ended) return loaded === '' ? ['kmemleak found no leak'] : told('from the first scan on', loaded)
  return [...told('while it was loaded', loaded), ...told('at the end', ended)]
}

/** What the kernel complained of, since reports are long and the log is longer. */
function complaintText({ complaints }: ModuleReport): string[] {
  const more = complaints.length - SHOWN
  return [
    ...complaints.slice(0, SHOWN).map(line => `${bad('the kernel reported')}: ${line}`),
    ...(more > 0 ? [`and ${more} reports more`] : []),
  ]
}

const bad = (text: string): string => coloured(text, 'red')

const leakText = ({ call, bytes, at, kind }: Leak): string =>
  `${bad('leak')}: ${call}, ${bytes} bytes (${kind}) at ${at}`

function endText({ returned, finished, error }: ModuleReport): string {
  if (error !== null) return error
  if (returned !== 0) return `init returned ${returned}, so it is not loaded`
  return finished ? 'loaded, and unloaded again' : 'loaded'
}
