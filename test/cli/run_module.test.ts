// `mmtwin run FILE`: modules as files, those that go wrong among them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { projectFiles, ROOT } from '../sources.ts'
import { mmtwin } from './run_cli.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmtwin-module-'))
  writeFileSync(join(folder, 'helper.ts'), 'export const size: number = 48\n')
})
afterAll(() => rmSync(folder, { recursive: true }))

const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

interface Told {
  readonly error: string | null
  readonly faults: string[]
  readonly log: string[]
  readonly leaks: unknown[]
  readonly clean: boolean
}

/** Runs a module and reads its report. */
function told(path: string, ...args: string[]): Told & { code: number | null; err: string } {
  const { code, out, err } = mmtwin(['run', path, '--json', ...args])
  return { code, err, ...(JSON.parse(out) as Told) }
}

/** What examples leave behind on purpose, as their report says it. */
const LEFT: Readonly<Record<string, string>> = {
  leak_on_purpose: 'cache not destroyed: forgotten\n',
  kernel_stack_overflow:
    'the kernel reported: Kernel panic - not syncing: corrupted stack end detected inside scheduler\n',
  kmemleak_orphans: '\nkmemleak, at the end:\nunreferenced object 0xffff8880',
}

describe('examples', () => {
  it.each(projectFiles('examples/modules'))('%s', path => {
    const left = LEFT[/(\w+)\.ts$/.exec(path)![1]!]
    const { code, out, err } = mmtwin(['run', `${ROOT}${path}`])
    expect([code, err]).toEqual([left === undefined ? 0 : 1, ''])
    expect(out).toContain(left ?? '\nnothing is left behind\n')
    expect(out).toMatch(/\nthe machine is sound: all laws hold\n$/)
  })
})

describe('modules as files', () => {
  it('TypeScript imports TypeScript; what is written past the log goes to stderr', () => {
    const path = file(
      'importing.ts',
      `import { size } from './helper.ts'
       export function init(k: { pr_info(text: string): void }): number { console.log('aside'); k.pr_info(\`\${size}\`); return 0 }`,
    )
    expect(told(path)).toMatchObject({ code: 0, log: ['48'], clean: true, err: 'aside\n' })
  })

  it('plain JavaScript, on another machine', () => {
    const path = file('plain.mjs', 'export const init = k => k.pr_info(`${k.kmap(k.alloc_page(k.GFP_ATOMIC))}`)')
    const { code, log, leaks } = told(path, '--kernel', '6.1-i386', '--memory', '128M')
    expect([code, log.length, leaks.length]).toEqual([1, 1, 2])
    expect(log[0]).toMatch(/^c[0-9a-f]{7}$/)
  })

  it('one that loops is stopped, and its machine is sound', () => {
    const path = file('loop.ts', 'export function init(k) { k.kmalloc(8, k.GFP_KERNEL); for (;;); }')
    expect(told(path, '--timeout', '2')).toMatchObject({
      code: 1,
      error: 'did not end within 2 s',
      faults: [],
      clean: false,
    })
  })

  it('one that loops while it is loaded', () => {
    expect(told(file('load.mjs', 'for (;;);'), '--timeout', '1')).toMatchObject({ code: 1, faults: [] })
  })

  it('one that ends its process ends its thread', () => {
    const path = file('exit.ts', 'export const init = () => process.exit(3)')
    expect(told(path)).toMatchObject({ code: 1, error: 'ended its thread with code 3', faults: [] })
  })

  it('one that calls for ever is stopped by its calls', () => {
    const path = file('calls.ts', 'export function init(k) { for (;;) k.kfree(k.kmalloc(8, k.GFP_KERNEL)) }')
    expect(told(path, '--calls', '1000').error).toContain('stopped after 1000 calls')
  })

  it.each<[string, string, string]>([
    [
      'kmap in an interrupt',
      'k.irq_enter(); const page = k.alloc_page(k.GFP_ATOMIC); k.kmap(page); k.kunmap(page); k.__free_page(page); k.irq_exit()',
      'BUG: sleeping function called from invalid context at include/linux/highmem-internal.h',
    ],
    [
      'an allocation that sleeps, in atomic context',
      'k.preempt_disable(); k.kfree(k.kmalloc(64, k.GFP_KERNEL)); k.preempt_enable()',
      'BUG: sleeping function called from invalid context at include/linux/sched/mm.h',
    ],
    [
      'one that never frees',
      'for (let at = 0; at < 100; at++) k.kzalloc(64, k.GFP_KERNEL)',
      'kmemleak: 100 new suspected memory leaks (see /sys/kernel/debug/kmemleak)',
    ],
  ])('%s: the kernel says so, and its machine is sound', (name, body, line) => {
    const path = file(`${name.replaceAll(/\W/g, '_')}.ts`, `export function init(k) { ${body} }`)
    const { code, log, ...report } = told(path, '--config', 'DEBUG_KMEMLEAK=y')
    expect(report).toMatchObject({ error: null, faults: [], clean: false })
    expect([code, log.includes(line)]).toEqual([1, true])
  })

  it('wrong frees: their headlines stand in the summary', () => {
    const path = file(
      'frees.ts',
      'export function init(k) { const p = k.kmalloc(100, k.GFP_KERNEL); k.kfree(p); k.kfree(p); const v = k.vmalloc(9); k.vfree(v); k.vfree(v) }',
    )
    const { code, out } = mmtwin(['run', path])
    expect(code).toBe(1)
    expect(out.split('\n').filter(line => line.startsWith('the kernel reported'))).toEqual([
      'the kernel reported: BUG kmalloc-128 (Not tainted): Object already free',
      expect.stringMatching(/^the kernel reported: Trying to vfree\(\) nonexistent vm area \(ffffc9\w{10}\)$/),
    ])
  })

  it('a switch that there is not, and what is none', () => {
    const path = file('any.ts', 'export const init = () => 0')
    expect(mmtwin(['run', path, '--config', 'NONESUCH'])).toMatchObject({
      code: 2,
      err: `mmtwin: ${path}: machine description: "config" has no switch NONESUCH\n`,
    })
    expect(mmtwin(['run', path, '--config', 'a b']).code).toBe(2)
  })

  it.each<[string, string, RegExp]>([
    ['broken.ts', 'export function init(', /^mmtwin: .*broken\.ts: /],
    ['enum.ts', 'enum A { B }\nexport const init = () => A.B', /^mmtwin: .*enum\.ts: .*enum/],
    ['throws.ts', "throw new Error('at once')", /^mmtwin: .*throws\.ts: at once\n$/],
    ['lost.ts', "import './nonesuch.ts'", /^mmtwin: .*nonesuch\.ts/],
    ['machine.ts', "export const machine = { memory: 'lots' }", /^mmtwin: .*machine\.ts: machine description: /],
  ])('%s: one sentence, exit 2', (name, text, sentence) => {
    const { code, out, err } = mmtwin(['run', file(name, text)])
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(sentence)
    expect(err.trim().split('\n')).toHaveLength(1)
  })

  it('a file that is not there, or a folder', () => {
    expect(mmtwin(['run', '/nonesuch.ts'])).toMatchObject({
      code: 2,
      err: 'mmtwin: /nonesuch.ts: no such file or folder\n',
    })
  })
})

describe('files of the allocators', () => {
  it('slabinfo and vmallocinfo are there for who looks', () => {
    const { code, out } = mmtwin(['boot', '--memory', '64M', '--', 'cat', '/proc/slabinfo'])
    expect(code).toBe(0)
    expect(out).toMatch(/^slabinfo - version: 2\.1\n# name /)
    expect(out).toMatch(/\nkmalloc-64 +\d+ +\d+ +64 +64 +1 : tunables/)
    expect(mmtwin(['boot', '--', 'cat', 'vmallocinfo']).code).toBe(0)
  })
})
