// What may be set in a what-if, and how it is written: `vm.min_free_kbytes=65536`, `order=0`, `gfp=GFP_ATOMIC`,
// `memory=+512M`, `swap=2G`, `memory.max=256M`.
import { maskOfText } from '../../report/explain/masks.ts'

/** Settings as they were written, by their full names. */
export type WhatIfSettings = Readonly<Record<string, string>>

const SYSCTLS = ['vm.min_free_kbytes', 'vm.watermark_scale_factor', 'vm.lowmem_reserve_ratio']
export const KNOBS: readonly string[] = [...SYSCTLS, 'order', 'gfp', 'swap', 'memory', 'memory.max']

const ALIASES: Readonly<Record<string, string>> = {
  min_free_kbytes: 'vm.min_free_kbytes',
  watermark_scale_factor: 'vm.watermark_scale_factor',
  lowmem_reserve_ratio: 'vm.lowmem_reserve_ratio',
  memcg: 'memory.max',
  limit: 'memory.max',
}

/** `order=0,gfp=GFP_KERNEL`: parts are separated by commas or blanks before a NAME=.
 * @throws RangeError for a part that is no setting or whose value cannot be */
export function parseWhatIf(text: string): WhatIfSettings {
  const settings: Record<string, string> = {}
  for (const part of text.trim().split(/[,\s]+(?=[\w./]+\s*=)/)) {
    const [, said, value] = /^([\w./]+)\s*=\s*(.+)$/.exec(part) ?? []
    if (said === undefined || value === undefined) throw new RangeError(`--set ${text}: "${part}" is not NAME=VALUE`)
    const name = ALIASES[said] ?? said.replace('vm/', 'vm.')
    if (!KNOBS.includes(name)) throw new RangeError(`--set ${said}: no such setting; there are ${KNOBS.join(', ')}`)
    checkValue(name, value)
    settings[name] = value.trim()
  }
  return settings
}

function checkValue(name: string, value: string): void {
  if (name === 'gfp') maskOfText(value)
  else if (name === 'order') {
    if (!/^\d{1,2}$/.test(value.trim())) throw new RangeError(`order=${value}: not an order`)
  } else if (name.startsWith('vm.')) {
    if (!/^\d+(?:\s+\d+)*$/.test(value.trim())) throw new RangeError(`${name}=${value}: not a number`)
  } else sizeKB(name, value)
}

const UNITS: Readonly<Record<string, number>> = { '': 1 / 1024, K: 1, M: 1024, G: 1024 ** 2, T: 1024 ** 3 }

/** `512M` → kB. @throws RangeError for what is no size */
export function sizeKB(name: string, text: string): number {
  const [, number, unit] = /^\+?(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim()) ?? []
  if (number === undefined) throw new RangeError(`${name}=${text}: not a size such as 512M or +1G`)
  return Number(number) * UNITS[unit!.toUpperCase()]!
}
