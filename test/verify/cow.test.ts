// The recorded program of faults and copy-on-write. What is known not to match is named: file:line and how many checks.
import { expect, it } from 'vitest'
import { cowKind, cowMemoryKind, playCow } from '../../src/verify/cow.ts'
import { tally } from '../../src/verify/types.ts'
import { describeShared, SHARED } from '../shared.ts'
import { verifyFiles } from './files.ts'

/** docs/fidelity.md tells why. */
const KNOWN = [
  {
    kernel: '6.1.0-50-amd64',
    pages: { 'thp-madvise-nozeropage:83': 8 },
    memory: {
      ...lines('thp-madvise-nozeropage', [20, 21, 23, 24], 1),
      ...lines('thp-madvise-nozeropage', range(39, 59), 1),
      ...lines('thp-madvise-nozeropage', [...range(69, 73), ...range(77, 80), 85], 1),
      ...lines('thp-never', range(125, 128), 1),
    },
  },
  {
    kernel: '6.1.0-50-686',
    pages: {
      ...lines('thp-default', range(124, 127), 4),
      'thp-default:55': 2,
      'thp-madvise-nozeropage:55': 3,
      'thp-never:55': 3,
      'thp-never:85': 1,
    },
    memory: {
      'thp-default:125': 2,
      ...lines('thp-default', range(126, 128), 3),
      ...lines('thp-madvise-nozeropage', range(126, 128), 1),
      ...lines('thp-never', [51, ...range(125, 128)], 1),
    },
  },
]

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

function lines(file: string, numbers: readonly number[], checks: number): Record<string, number> {
  return Object.fromEntries(numbers.map(line => [`${file}:${line}`, checks]))
}

/** Checks that are not exact, by file and line. */
function misses(files: ReturnType<typeof verifyFiles>, memory: boolean): Record<string, number> {
  const found: Record<string, number> = {}
  let name = ''
  const counts = tally('cow')
  playCow(files, memory, {
    ...counts,
    file: path => {
      name = path.slice(path.lastIndexOf('/') + 1).replace(/\.jsonl(\.gz)?$/, '')
    },
    check: (line, expected, got) => {
      if (expected !== got) found[`${name}:${line}`] = (found[`${name}:${line}`] ?? 0) + 1
    },
  })
  return found
}

describeShared('recordings of faults and copy-on-write', () => {
  for (const { kernel, pages, memory } of KNOWN) {
    const files = verifyFiles(`${SHARED}/truth/stock/${kernel}/cow`, /./)

    it(`${kernel}: faults and pages`, () => {
      expect(cowKind.run(files).checks).toBe(2820)
      expect(misses(files, false)).toEqual(pages)
    })

    it(`${kernel}: sums of memory`, () => {
      expect(cowMemoryKind.run(files).checks).toBe(7296)
      expect(misses(files, true)).toEqual(memory)
    })
  }
})
