// Reports of kills and failed allocations against real kernels: every line.
import { expect, test } from 'vitest'
import { oomReportsKind } from '../../src/verify/oom_reports.ts'
import { filesBelow } from '../recordings.ts'
import { describeShared, SHARED } from '../shared.ts'

describeShared('recorded reports', () => {
  const files = filesBelow(`${SHARED}/truth/stock`).filter(({ path }) => path.includes('/fail/'))
  const one = files.filter(({ path }) => path.includes('6.1.0-50-amd64/fail/oom-adj/'))
  const report = one.find(({ path }) => path.endsWith('/report.txt'))!
  const changed = (right: string, wrong: string) =>
    oomReportsKind.run(
      one.map(file => (file === report ? { path: file.path, text: () => report.text().replace(right, wrong) } : file)),
    )

  test('all lines', () => {
    const { first, files: count, checks, exact } = oomReportsKind.run(files)
    expect(first).toBeNull()
    expect(exact).toBe(checks)
    expect([count >= 38, checks >= 2200]).toEqual([true, true])
  })

  test.each([
    ['a size of the machine', 'present:245620kB', 'present:245624kB'],
    ['a watermark', 'min:3600kB', 'min:3604kB'],
    ['a reserve', 'lowmem_reserve[]: 0 172', 'lowmem_reserve[]: 0 173'],
    ['a sum', '= 832kB', '= 836kB'],
    ['the victim', 'task=hog,pid=86', 'task=hog,pid=88'],
    ['a word of the layout', 'pages in swap cache', 'pages of swap cache'],
  ])('%s that is wrong is one difference or more', (_, right, wrong) => {
    const { checks, exact } = changed(right, wrong)
    expect(exact).toBeLessThan(checks)
  })

  test('a report without a known kernel is a check that fails', () => {
    const text = report.text().replaceAll('6.1.0-50-amd64', '2.4.0')
    const { checks, exact } = oomReportsKind.run([{ path: 'report.txt', text: () => text }])
    expect([checks > 0, exact]).toEqual([true, 0])
  })
})
