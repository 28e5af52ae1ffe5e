// The blanking that the law tests stand on.
import { expect, it } from 'vitest'
import { blanked } from './sources.ts'

it.each([
  ["a // b 'c'\nd", 'a         \nd'],
  ['a /* b\nc */ d', 'a     \n     d'],
  ["x('process', \"it's\")", 'x(\'       \', "    ")'],
  ['x(`a ${process.env} b`, y)', 'x(`   {process.env}  `, y)'],
  ['`${`${a}b`}c` + d', '` {` {a} `} ` + d'],
  ["x = 'a\\\\' + b", "x = '   ' + b"],
  ["x = 'a\\'b' + c", "x = '    ' + c"],
  ['x = a / b / c // d', 'x = a / b / c     '],
  ['x.replace(/[\'"/]/g, y)', 'x.replace(/     /g, y)'],
  ['x.test(/a\\/b/) ? { c } : d', 'x.test(/    /) ? { c } : d'],
])('%s', (source, expected) => {
  expect(blanked(source)).toBe(expected)
  expect(blanked(source)).toHaveLength(source.length)
})

it('keeps strings where asked', () => {
  expect(blanked("import 'a' // 'b'", true)).toBe("import 'a'       ")
})
