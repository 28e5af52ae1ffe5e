// Time: back and forward again is the same, step by step.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GFP_KERNEL } from '../../src/mm/gfp.ts'
import { Machine } from '../../src/sim/machine.ts'
import { randomCommands } from '../../src/sim/random_commands.ts'
import { Timeline } from '../../src/sim/timeline.ts'

const small = Machine.boot({ memory: '64M', cpus: 2 })

/** Hashes after each command, the beginning included. */
function play(timeline: Timeline, count: number, seed: number): string[] {
  const hashes = [timeline.machine.hash()]
  randomCommands(timeline.machine.sys, count, seed, command => {
    const result = timeline.do(command)
    hashes.push(timeline.machine.hash())
    return result
  })
  return hashes
}

describe('timeline', () => {
  it('1000 random commands, back 1000, forward again: the same state at every step', () => {
    const timeline = new Timeline(Machine.boot({ memory: '1G', cpus: 2 }))
    const hashes = play(timeline, 1000, 42)
    expect(timeline.back(1000)).toBe(1000)
    expect(timeline.machine.hash()).toBe(hashes[0])
    for (let at = 100; at <= 1000; at += 100) {
      expect(timeline.step(100)).toBe(100)
      expect(timeline.machine.hash()).toBe(hashes[at])
    }
    for (let at = 999; at >= 0; at--) {
      timeline.back()
      expect(timeline.machine.hash()).toBe(hashes[at])
    }
    expect(timeline.back()).toBe(0)
  })

  it('goes anywhere, also where old snapshots were thinned out', () => {
    const timeline = new Timeline(small.fork(), { budget: 2 ** 20 })
    const hashes = play(timeline, 3000, 7)
    const { count, bytes } = timeline.checkpoints
    expect([count > 2, bytes <= 2 ** 20 || count === 3]).toEqual([true, true])
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3000 }), target => {
        timeline.goto(target)
        expect(timeline.machine.hash()).toBe(hashes[target])
      }),
      { numRuns: 40 },
    )
    expect(() => timeline.goto(3001)).toThrow('there are steps 0 to 3000')
  })

  it('a new command in the past replaces what came after it, and its log', () => {
    const timeline = new Timeline(small.fork())
    const log = (): number => timeline.machine.log.length
    timeline.do({ op: '__free_pages', pfn: 1, order: 0 })
    const lines = log()
    timeline.do({ op: '__free_pages', pfn: 2, order: 0 })
    timeline.back()
    expect([timeline.length, log()]).toEqual([2, lines])
    timeline.step()
    expect(log()).toBe(2 * lines)
    timeline.back()
    expect(() => timeline.do({ op: 'set_cpu', cpu: 99 })).toThrow(RangeError)
    expect(timeline.length).toBe(2)
    timeline.do({ op: 'alloc_page', gfp: GFP_KERNEL })
    expect([timeline.length, timeline.position, log()]).toEqual([2, 2, lines])
  })

  it('forks with its past', () => {
    const timeline = new Timeline(small.fork())
    const hashes = play(timeline, 200, 3)
    timeline.back(50)
    const fork = timeline.fork()
    play(fork, 50, 4)
    expect(fork.machine.hash()).not.toBe(hashes[200])
    fork.goto(100)
    expect(fork.machine.hash()).toBe(hashes[100])
    timeline.step(50)
    expect(timeline.machine.hash()).toBe(hashes[200])
  })

  it('tracepoints are heard when a command is done and done again, not on the way back', () => {
    const timeline = new Timeline(small.fork())
    let heard = 0
    const end = timeline.machine.on('mm_page_alloc', () => heard++)
    for (let i = 0; i < 100; i++) timeline.do({ op: 'alloc_page', gfp: GFP_KERNEL })
    timeline.back(10)
    expect(heard).toBe(100)
    timeline.step(5)
    expect(heard).toBe(105)
    timeline.goto(100)
    end()
    timeline.do({ op: 'alloc_page', gfp: GFP_KERNEL })
    expect(heard).toBe(105)
  })
})
