// Tables that tests keep in docs/fidelity.md: how they are written and found.
import { expect, it } from 'vitest'
import { generated, markdownTable, withGenerated } from './fidelity_table.ts'

const FILE = '# A\n\n<!-- generated: one -->\nold\n<!-- end -->\n\n<!-- generated: two -->\n<!-- end -->\nrest\n'

it('numbers stand to the right, bars and newlines do not break a row', () => {
  const rows = [
    ['a|b', 1],
    ['c\nd', 20],
  ]
  expect(markdownTable(['name', 'errors'], rows)).toBe(
    '| name | errors |\n| --- | ---: |\n| a\\|b | 1 |\n| c d | 20 |\n',
  )
})

it('a row of another length is a mistake', () => {
  expect(() => markdownTable(['a', 'b'], [['x']])).toThrow('a row has 1 cells, the table 2: x')
})

it('a table is found and replaced by its name alone', () => {
  expect(generated(FILE, 'one')).toBe('old\n')
  expect(generated(FILE, 'two')).toBe('')
  const written = withGenerated(FILE, 'two', 'new\n')
  expect(generated(written, 'two')).toBe('new\n')
  expect(generated(written, 'one')).toBe('old\n')
  expect(withGenerated(written, 'two', '')).toBe(FILE)
})

it('a name without its lines is a mistake', () => {
  expect(() => generated(FILE, 'three')).toThrow('has no lines "<!-- generated: three -->"')
})
