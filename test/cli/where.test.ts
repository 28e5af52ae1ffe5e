// `mmtwin where` as a user calls it: what goes to which stream, and the exit code.
import { Command } from 'commander'
import { afterEach, expect, it, vi } from 'vitest'
import { registerWhere } from '../../src/cli/where.ts'

afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
})

async function where(...words: string[]): Promise<{ out: string; err: string; code: unknown }> {
  const text = { out: '', err: '' }
  vi.spyOn(process.stdout, 'write').mockImplementation(part => !!(text.out += part))
  vi.spyOn(process.stderr, 'write').mockImplementation(part => !!(text.err += part))
  const program = new Command('mmtwin').exitOverride()
  registerWhere(program)
  await program.parseAsync(['where', ...words], { from: 'user' })
  return { ...text, code: process.exitCode }
}

it('prints where a name is', async () => {
  const { out, err, code } = await where('__gfp_pfmemalloc_flags')
  expect(out).toMatch(/^__gfp_pfmemalloc_flags\n {2}ours {6}src\/mm\/gfp\.ts:\d+\n {2}kernel {4}mm\/page_alloc\.c\n/)
  expect([err, code]).toEqual(['', undefined])
})

it('says what is near, and exits with 1', async () => {
  const { out, err, code } = await where('__gfp_pfmemaloc_flag')
  expect(err).toMatch(
    /^mmtwin where: nothing here is called "__gfp_pfmemaloc_flag"; did you mean __gfp_pfmemalloc_flags/,
  )
  expect([out, code]).toEqual(['', 1])
})

it('prints one JSON object', async () => {
  const found = await where('gfp_zone', '--json')
  expect(JSON.parse(found.out)).toMatchObject({
    name: 'gfp_zone',
    matches: [{ file: 'src/mm/gfp.ts' }],
    suggestions: [],
  })
  const missing = await where('gfp_zon', '--json')
  expect(JSON.parse(missing.out)).toMatchObject({ matches: [] })
  expect(missing.code).toBe(1)
})
