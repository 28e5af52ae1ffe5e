// Scripts of allocations and frees under SLAB and SLOB: every object and every state, committed samples first, then all
// recordings that are there.
import { describe, expect, it } from 'vitest'
import { slabKind } from '../../src/verify/slab.ts'
import { slobKind } from '../../src/verify/slob.ts'
import type { VerifyKind } from '../../src/verify/types.ts'
import { describeShared, SHARED } from '../shared.ts'
import { verifyFiles } from './files.ts'

const sample = new URL('../golden/verify', import.meta.url).pathname

/** A kind, its files, one of them, and edits that make one check of it wrong each. */
const KINDS: readonly (readonly [VerifyKind, RegExp, one: RegExp, edits: readonly (readonly [string, string])[]])[] = [
  [
    slabKind,
    /slab(cpu)?\//,
    /k3_.*c01/,
    [
      ['["a",0,0,256,8614,15,0,1]', '["a",0,0,256,8614,14,0,1]'],
      ['["f",2,0,0,4]', '["f",2,0,1,4]'],
      ['"colour_off":64', '"colour_off":32'],
    ],
  ],
  [
    slobKind,
    /slob\//,
    /s01/,
    [
      ['["a",0,0,214,8667,3592]', '["a",0,0,214,8667,3594]'],
      ['"live":18', '"live":19'],
      ['[1480,24]', '[1480,25]'],
    ],
  ],
]

describe.each(KINDS)('$kind', (kind, names, one, edits) => {
  const files = verifyFiles(sample, names)
  const file = files.find(({ path }) => one.test(path))!

  it('the committed recordings are exact', () => {
    const result = kind.run(files)
    expect(result).toMatchObject({ exact: result.checks, first: null })
    expect(result.checks).toBeGreaterThan(50)
  })

  it.each(edits)('%s → %s: a wrong value is found, with its file and line', (right, wrong) => {
    const text = file.text()
    expect(text).toContain(right)
    const { checks, exact, first } = kind.run([{ path: file.path, text: () => text.replace(right, wrong) }])
    expect(exact).toBeLessThan(checks)
    expect(first).toMatchObject({ file: file.path, line: text.slice(0, text.indexOf(right)).split('\n').length })
  })

  it('damage is a check that failed, not a crash', () => {
    const text = file.text()
    const broken = (from: string | RegExp, to: string): string => text.replace(from, to)
    const damaged = [
      `${text}{"cut`,
      broken('"t":"meta"', '"t":"meat"'),
      broken('"machine":"x86_64"', '"machine":"vax"'),
      broken(/"cpus":\d/, '"cpus":-1'),
      broken('["f",0', '["f",999'),
      broken('["a",0,0', '["a",0,77'),
      broken('["a"', '["q"'),
      broken(/8\d\d\d,/, '1e15,'),
      broken(/8\d\d\d,/, '-5,'),
      broken('"when":"before"', '"when":{}').replaceAll('endstate', 'x'),
      text.replaceAll('"n":0', '"n":9').replaceAll('"name":"small"', '"name":"huge"'),
    ]
    for (const [at, each] of damaged.entries()) {
      const { checks, exact, first } = kind.run([{ path: file.path, text: () => each }])
      expect([at, exact < checks, first !== null]).toEqual([at, true, true])
    }
  })
})

it("SLAB's reader leaves SLUB's recordings alone", () => {
  const text = (): string => '{"t":"state","when":"before","allocator":"slub"}\n'
  expect(slabKind.run([{ path: 'k1/slab/s01.jsonl', text }])).toMatchObject({ files: 0, checks: 0 })
})

/** A dump in the middle of a script is as good a beginning as any. */
it.each([
  [slabKind, /k3d.*slab\//],
  [slobKind, /slob\//],
] as const)('$kind: a script can begin with the state that another ended with', (kind, names) => {
  for (const file of verifyFiles(sample, names)) {
    const lines = file.text().trimEnd().split('\n')
    const [head, ops] = [lines.slice(0, 6), lines.indexOf('{"t":"ops"}')]
    const after = lines.findIndex(line => line.includes('"when":"after"'))
    const described = head.filter(line => /"t":"(meta|cache)"/.test(line))
    const state = lines.slice(after, after + lines.slice(after).findIndex(line => line.includes('endstate')) + 1)
    const again = [...described, ...state, lines[ops]!, ...state].join('\n')
    const result = kind.run([{ path: file.path, text: () => again }])
    expect(result).toMatchObject({ exact: result.checks, first: null })
  }
})

describeShared('recordings of ../shared', () => {
  it.each(KINDS)('$kind: exact', (kind, names) => {
    const result = kind.run(verifyFiles(`${SHARED}/truth/custom`, names))
    expect(result.first).toBeNull()
    expect(result.exact).toBe(result.checks)
    expect(result.checks).toBeGreaterThan(10_000)
  })
})
