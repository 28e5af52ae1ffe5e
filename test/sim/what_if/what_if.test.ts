// What-ifs on recorded reports: the twin is whole, refuses what the kernel refused, and each "enough" is enough.
import { describe, expect, it } from 'vitest'
import { check } from '../../../src/mm/check.ts'
import { Explainer } from '../../../src/report/explain/explain.ts'
import { explain } from '../../../src/sim/explain.ts'
import { parseWhatIf } from '../../../src/sim/what_if/settings.ts'
import { ask, twinOf } from '../../../src/sim/what_if/twin.ts'
import { golden } from '../../report/explain/cases.ts'

const textOf = (name: string): string => golden.find(each => each.name.endsWith(`__${name}`))!.text

const answers = (name: string, set: string) => explain(textOf(name), { set }).reports.map(({ whatIf }) => whatIf!)

/** The "enough" of a knob in the words of an answer. */
function enough(name: string, pattern: RegExp): string {
  const said = answers(name, 'order=0').flatMap(({ explanation }) => explanation.map(({ text }) => text))
  return pattern.exec(said.join('\n'))![1]!
}

describe('the twin', () => {
  it.each(golden.map(({ name, text }) => [name, text]))('%s: consistent, and in the reported state', (_, text) => {
    for (const { case_ } of new Explainer().take(text.split('\n'))) {
      if (case_.scope.zones.length === 0) continue
      const twin = twinOf(case_)
      const faults = check(twin.sys).filter(
        fault => !twin.assumptions.some(said => said.includes('only counted')) || !/NR_FREE_PAGES/.test(fault),
      )
      expect(faults).toEqual([])
      for (const [zone, row] of twin.rows)
        expect(twin.sys.zone_stat.vm_stat[row * (twin.sys.zone_stat.vm_stat.length / twin.sys.nr_zones)]).toBe(
          zone.kb.get('free')! / case_.pageKB,
        )
    }
  })

  it('refuses what the kernel refused', () => {
    for (const { text } of golden)
      for (const { case_, answer } of new Explainer().take(text.split('\n'))) {
        if (case_.scope.zones.length === 0 || !['min-watermark', 'no-free-block'].includes(answer.failing?.check ?? ''))
          continue
        const { request, scope } = case_
        const asked = { gfp: request.bits, order: request.order, victim: request.victim, nodes: scope.nodes }
        expect(ask(twinOf(case_), asked), `${answer.kind} ${answer.line}`).toBe(-1)
      }
  })
})

describe('smallest changes', () => {
  it('a fragmented zone has blocks of a smaller order', () => {
    const order = Number(enough('paf-order4-fragmented', /order at most (\d+)/))
    expect(answers('paf-order4-fragmented', `order=${order}`)[0]!.wouldSucceed).toBe(true)
    expect(answers('paf-order4-fragmented', `order=${order + 1}`)[0]!.wouldSucceed).toBe(false)
  })

  it('memory, to the page', () => {
    const memory = Number(enough('oom-adj', /memory=\+(\d+)K/))
    expect(answers('oom-adj', `memory=+${memory}K`)[0]!.wouldSucceed).toBe(true)
    expect(answers('oom-adj', `memory=+${memory - 4}K`)[0]!.wouldSucceed).toBe(false)
  })

  it('vm.min_free_kbytes, to the kB', () => {
    const most = Number(enough('slub-unable', /vm.min_free_kbytes at most (\d+)/))
    expect(answers('slub-unable', `vm.min_free_kbytes=${most}`)[0]!.wouldSucceed).toBe(true)
    expect(answers('slub-unable', `vm.min_free_kbytes=${most + 1}`)[0]!.wouldSucceed).toBe(false)
  })

  it('the limit of a cgroup', () => {
    expect(answers('oom-memcg-nested', 'memory.max=81924K')[0]!.wouldSucceed).toBe(true)
    expect(answers('oom-memcg-nested', 'memory.max=81920K')[0]!.wouldSucceed).toBe(false)
    expect(answers('oom-memcg-nested', 'vm.min_free_kbytes=1')[0]!.wouldSucceed).toBe(false)
  })
})

describe('settings', () => {
  it('are read', () => {
    expect(parseWhatIf('order=0,gfp=GFP_KERNEL|__GFP_COMP vm.lowmem_reserve_ratio=256 256 32')).toEqual({
      order: '0',
      gfp: 'GFP_KERNEL|__GFP_COMP',
      'vm.lowmem_reserve_ratio': '256 256 32',
    })
  })

  it.each(['order', 'order=x', 'gfp=GFP_NONSENSE', 'foo=1', 'memory=much', 'vm.min_free_kbytes=-1'])(
    '%s is refused',
    text => {
      expect(() => parseWhatIf(text)).toThrow(RangeError)
    },
  )
})
