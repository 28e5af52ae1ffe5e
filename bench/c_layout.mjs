// The image's tables as a C header, and a machine's image as a file: what the C programs of the benches start from.
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { TABLES } from '../dist/mm/mmzone.js'

const C_TYPES = new Map([
  [Uint8Array, 'uint8_t'],
  [Uint16Array, 'uint16_t'],
  [Int32Array, 'int32_t'],
  [Uint32Array, 'uint32_t'],
  [Float64Array, 'double'],
])

const SCALARS = [
  'nr_frames',
  'nr_cpus',
  'nr_zone_types',
  'nr_zones',
  'NR_PAGE_ORDERS',
  'MIGRATE_TYPES',
  'MIGRATE_ISOLATE',
  'MIGRATE_CMA',
  'pageblock_order',
  'pageblock_nr_pages',
  'nr_pcp_lists',
  'pcp_huge_order',
  'block_shift',
  'free_list_base',
  'pcp_list_base',
  'slab_list_base',
  'zonelist_length',
]

/** `struct sys` with a pointer for each column, and the order in which `writeImage` names their offsets. */
export function layoutHeader() {
  const fields = []
  const attach = []
  for (const [table, columns] of Object.entries(TABLES))
    for (const [name, column] of Object.entries(columns)) {
      const type = C_TYPES.get(column.view)
      fields.push(`  ${type} *${table}_${name};`)
      attach.push(`  s->${table}_${name} = (${type} *)(base + *offsets++);`)
    }
  for (const name of SCALARS) {
    fields.push(`  int32_t ${name};`)
    attach.push(`  s->${name} = (int32_t)*offsets++;`)
  }
  return [
    '#include <stdint.h>',
    `#define NR_OFFSETS ${attach.length}`,
    'struct sys {',
    ...fields,
    '};',
    'static void sys_attach(struct sys *s, char *base, const int64_t *offsets) {',
    ...attach,
    '}',
    '',
  ].join('\n')
}

/** Writes the image (holes where it is zero) and, beside it, its size and the offsets of its columns. */
export function writeImage(sys, path) {
  const bytes = new Uint8Array(sys.image.buffer)
  const fd = openSync(path, 'w')
  ftruncateSync(fd, bytes.length)
  const chunk = 1 << 16
  const zeros = Buffer.alloc(chunk)
  for (let at = 0; at < bytes.length; at += chunk) {
    const part = Buffer.from(bytes.slice(at, at + chunk))
    if (!part.equals(zeros.subarray(0, part.length))) writeSync(fd, part, 0, part.length, at)
  }
  closeSync(fd)
  const offsets = [bytes.length]
  for (const [table, columns] of Object.entries(TABLES))
    for (const name of Object.keys(columns)) offsets.push(sys[table][name].byteOffset)
  for (const name of SCALARS) offsets.push(sys[name])
  writeFileSync(`${path}.offsets`, `${offsets.join('\n')}\n`)
}
