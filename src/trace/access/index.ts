// Traces of page accesses by kind, told apart by how they begin.
import type { AccessReader } from './access_log.ts'
import { type CsvOptions, CsvReader } from './csv.ts'
import { DamonReader } from './damon.ts'
import { LackeyReader } from './lackey.ts'
import { OracleGeneralReader } from './oracle_general.ts'

export type { AccessReader, AccessTrace } from './access_log.ts'

export const ACCESS_FORMATS = ['lackey', 'oracleGeneral', 'csv', 'damon'] as const
export type AccessFormat = (typeof ACCESS_FORMATS)[number]

export function accessReader(format: AccessFormat, options: CsvOptions = {}): AccessReader {
  if (format === 'lackey') return new LackeyReader(options)
  if (format === 'oracleGeneral') return new OracleGeneralReader(options)
  return format === 'csv' ? new CsvReader(options) : new DamonReader(options)
}

const LACKEY = /^ ?[ILSM] +[0-9a-f]{4,16},\d{1,4}\r?$/m
const TABLE = /^[^\n,;\t]{1,64}(?:[,;\t][^\n]*)?$/

/**
 * What a trace is by its first bytes (some kilobytes do) and its name; null for what is none of page accesses, such
 * as a kernel's trace.
 */
export function accessFormatOf(start: Uint8Array, name = ''): AccessFormat | null {
  if (/\.oracleGeneral\b/i.test(name)) return 'oracleGeneral'
  const text = String.fromCharCode(...start.subarray(0, 1 << 15))
  if (text.includes('damon_aggregated: target_id=')) return 'damon'
  if (LACKEY.test(text)) return 'lackey'
  if (text.includes('\0')) return isOracleGeneral(start) ? 'oracleGeneral' : null
  return /\.(csv|tsv)\b/i.test(name) && TABLE.test(text.split('\n', 1)[0]!) ? 'csv' : null
}

/** Records have no mark of their own: times that rise and next accesses that lie ahead. */
function isOracleGeneral(start: Uint8Array): boolean {
  const records = Math.min(64, Math.floor(start.length / 24))
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength)
  for (let i = 0, before = 0; i < records; i++) {
    const time = view.getUint32(24 * i, true)
    const [low, high] = [view.getUint32(24 * i + 16, true), view.getInt32(24 * i + 20, true)]
    const never = (high === -1 && low === 0xffffffff) || (high === 0x7fffffff && low === 0xffffffff)
    if (time < before || !(never || (high >= 0 && high < 2 ** 16 && high * 2 ** 32 + low > i))) return false
    before = time
  }
  return records > 0
}
