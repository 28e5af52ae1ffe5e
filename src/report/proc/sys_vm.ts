// The settings below /proc/sys/vm, by their names. A value is the text of the setting; a list (lowmem_reserve_ratio)
// has its numbers separated by one blank here and by tabs in the kernel's text.
import { type AttributeForm, readAttributes, writeAttributes } from './attributes.ts'
import { decimals, LineReader, type Read, type Stray, words } from './lines.ts'

const FOLDER = '/proc/sys/vm/'

export interface SysVmFacts {
  form: AttributeForm
  settings: Map<string, string>
  strays: Stray[]
}

/** Reads sys_vm.txt or sys_vm.tsv. Never throws; damage is a diagnostic. */
export function readSysVm(text: string): Read<SysVmFacts> {
  const reader = new LineReader(text)
  const { form, rows } = readAttributes(reader)
  const settings = new Map<string, string>()
  for (const { path, value, line } of rows) {
    const name = path.startsWith(FOLDER) ? path.slice(FOLDER.length) : path
    if (form !== 'equals' && name === path) reader.stray('not a file of /proc/sys/vm', line)
    else settings.set(name, value.replaceAll('\t', ' '))
  }
  return reader.done({ form, settings, strays: reader.strays })
}

/** The text of these settings in the form in which they were captured. */
export function writeSysVm({ form, settings, strays }: SysVmFacts): string {
  const rows = Array.from(settings, ([name, value]) => ({
    path: form === 'equals' ? name : `${FOLDER}${name}`,
    value: form === 'tab' ? value : value.replaceAll(' ', '\t'),
  }))
  return writeAttributes(form, rows, strays)
}

/** The numbers of a setting, or null when it is absent or no list of numbers. */
export function sysVmNumbers(facts: SysVmFacts, name: string): number[] | null {
  const value = facts.settings.get(name)
  const numbers = value === undefined ? null : decimals(words(value))
  return numbers && numbers.length > 0 ? numbers : null
}
