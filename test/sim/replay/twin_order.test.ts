// What interrupts do waits for the task's next event, which says whether its page was taken before.
import { expect, it } from 'vitest'
import type { Predict } from '../../../src/sim/replay/predict.ts'
import { TwinOrder } from '../../../src/sim/replay/twin_order.ts'

/** A machine that writes down what it is asked. */
function played(play: (order: TwinOrder) => void): string[] {
  const calls: string[] = []
  const twin = {
    alloc: (pfn: number) => calls.push(`alloc ${pfn}`),
    free: (pfn: number, _order: number, cpu: number) => calls.push(`free ${pfn} on ${cpu}`),
    drain: (zone: number) => calls.push(`drain ${zone}`),
    silent: (pfn: number) => calls.push(`silent ${pfn}`),
    isolate: (pfn: number) => calls.push(`isolate ${pfn}`),
  }
  const order = new TwinOrder([twin as unknown as Predict])
  play(order)
  order.flush()
  return calls
}

const [TASK, INTERRUPT] = [0, 1]

it('plays an interrupt after the allocation that it interrupted', () => {
  const calls = played(order => {
    order.free(1, 0, 0, false, INTERRUPT)
    order.drain(3, 0, 0, INTERRUPT)
    order.alloc(2, 0, 0, 0, 0, 0, TASK, true, false)
  })
  expect(calls).toEqual(['alloc 2', 'free 1 on 0', 'drain 3'])
})

it('plays it before, where nothing says otherwise', () => {
  const calls = played(order => {
    order.free(1, 0, 0, false, INTERRUPT)
    order.alloc(2, 0, 0, 0, 0, 0, TASK, false, false)
    order.free(4, 0, 0, false, INTERRUPT)
    order.free(5, 0, 0, false, TASK)
    order.free(6, 0, 0, false, INTERRUPT)
    order.isolate(7, 0, 0)
  })
  expect(calls).toEqual(['free 1 on 0', 'alloc 2', 'free 4 on 0', 'free 5 on 0', 'free 6 on 0', 'isolate 7'])
})

it('never mixes CPUs', () => {
  const calls = played(order => {
    order.free(1, 0, 0, false, INTERRUPT)
    order.free(2, 0, 1, false, INTERRUPT)
    order.alloc(3, 0, 0, 0, 0, 0, TASK, true, false)
  })
  expect(calls).toEqual(['free 1 on 0', 'free 2 on 1', 'alloc 3'])
})

it('waits for no more than a fixed number of events', () => {
  const calls = played(order => {
    for (let pfn = 0; pfn < 10_000; pfn++) order.free(pfn, 0, 0, false, INTERRUPT)
  })
  expect(calls).toHaveLength(10_000)
  expect(calls[9_999]).toBe('free 9999 on 0')
})
