// Tags in sources become an index; names are found in it, and near misses too.
import { describe, expect, it } from 'vitest'
import { answerText, unknownText } from '../../src/cli/where.ts'
import { loadWhereIndex } from '../../src/node/where.ts'
import {
  declarations,
  editDistance,
  entriesOf,
  findName,
  indexSources,
  kernelTags,
  throughOf,
} from '../../src/sim/where.ts'

const SOURCE = `// A chapter.
// Its law. @kernel mm/chapter.c
import { x } from './x.ts'

/** Takes a block. Then more. @kernel mm/page_alloc.c:__rmqueue_smallest */
export function take(order: number): number {
  return order
}

/**
 * Two places.
 * @kernel mm/a.c:first, include/linux/b.h:struct second
 * @differs mm/c.c is not meant
 */
export const both = (a: number): number => a

/** Bits of a thing. @kernel include/linux/bits.h:enum bits */
export const BIT_A = 1
export const BIT_B = 2

export const plain = 3
const hidden = 4

export interface Rules {
  /** A rule. @kernel mm/rules.c */
  readonly rule: number
  other(a: number): void
}
`

describe('the index', () => {
  it('reads tags', () => {
    expect(kernelTags('Text. @kernel mm/a.c:first, include/linux/b.h:struct second\n@differs mm/c.c:third')).toEqual([
      { file: 'mm/a.c', name: 'first' },
      { file: 'include/linux/b.h', name: 'second' },
    ])
    expect(kernelTags('@kernel mm/a.c')).toEqual([{ file: 'mm/a.c', name: null }])
  })

  it('gives tags to the declarations that follow', () => {
    const rows = entriesOf('src/mm/x.ts', SOURCE).map(e => `${e.name} ${e.ours}:${e.line} ${e.kernelFile} ${e.about}`)
    expect(rows).toEqual([
      '__rmqueue_smallest take:6 mm/page_alloc.c Takes a block.',
      'first both:15 mm/a.c Two places.',
      'second both:15 include/linux/b.h Two places.',
      'bits BIT_A:18 include/linux/bits.h Bits of a thing.',
      'bits BIT_B:19 include/linux/bits.h Bits of a thing.',
      'plain plain:21 mm/chapter.c ',
      'Rules Rules:24 mm/chapter.c ',
      'rule rule:26 mm/rules.c A rule.',
    ])
  })

  it('knows functions from constants', () => {
    const kinds = declarations(SOURCE).map(({ name, kind }) => `${name} ${kind}`)
    expect(kinds).toEqual([
      ...['take function', 'both function', 'BIT_A const', 'BIT_B const', 'plain const', 'hidden const'],
      ...['Rules type', 'rule member'],
    ])
  })

  it('knows the scenarios that pass through', () => {
    const story = 'export const story = {\n  through: [\n    \'take\', "first",\n  ],\n}'
    expect(throughOf(story)).toEqual(['take', 'first'])
    const index = indexSources([
      ['src/mm/x.ts', SOURCE],
      ['src/scenarios/split.ts', story],
    ])
    expect(findName(index, '__rmqueue_smallest').matches[0]!.scenarios).toEqual(['split'])
    expect(findName(index, 'second').matches[0]!.scenarios).toEqual([])
  })
})

describe('the search', () => {
  const index = loadWhereIndex()

  it('finds kernel names in this package', () => {
    const [match] = findName(index, 'gfp_migratetype').matches
    expect(match).toMatchObject({ file: 'src/mm/gfp.ts', kernelFile: 'include/linux/gfp.h' })
    expect(findName(index, 'struct page').matches.length).toBeGreaterThan(0)
    expect(findName(index, 'gfp_zone()').matches).toHaveLength(1)
    expect(answerText(findName(index, 'gfp_zone'))).toMatch(/^gfp_zone\n {2}ours {6}src\/mm\/gfp\.ts:\d+\n {2}kernel/)
  })

  it('names what is near where there is nothing', () => {
    const near = (name: string): readonly string[] => findName(index, name).suggestions
    expect(near('gfp_zoen')).toContain('gfp_zone')
    expect(near('gfp_to_aloc_flags')[0]).toBe('gfp_to_alloc_flags')
    expect(near('gfp_pfmemalloc')).toContain('__gfp_pfmemalloc_flags')
    expect(near('qqqqqqqqqqqq')).toEqual([])
    expect(unknownText(findName(index, 'qqqqqqqqqqqq'))).toBe('mmtwin where: nothing here is called "qqqqqqqqqqqq"')
  })

  it('counts letters', () => {
    const pairs = [
      ['', 'abc'],
      ['abc', ''],
      ['abc', 'abc'],
      ['abc', 'acb'],
      ['kitten', 'sitting'],
    ] as const
    expect(pairs.map(([a, b]) => editDistance(a, b))).toEqual([3, 3, 0, 1, 3])
  })
})
