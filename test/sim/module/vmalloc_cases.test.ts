// The kernel's own list of vmalloc tests, run on the twin as a module; what comes out is a table of docs/fidelity.md.
import { describe, expect, it } from 'vitest'
import { Machine } from '../../../src/sim/machine.ts'
import { runModule } from '../../../src/sim/module/run_module.ts'
import { expectFidelityTable } from '../../fidelity_table.ts'
import { VMALLOC_CASES } from './vmalloc_cases.ts'

const booted = Machine.boot({ memory: '1G' }, { capacity: { nr_vmap_areas: 100_000, nr_percpu_chunks: 700 } })
booted.initAllocators()

/** Calls of the largest case, several times over. */
const CALLS = 10_000_000

describe('the kernel’s vmalloc tests', () => {
  const rows = VMALLOC_CASES.map(({ name, does, kernel, run }) => {
    let well = false
    const machine = booted.fork()
    const report = runModule(machine, { init: k => void (well = run(k)) }, { name: 'test_vmalloc', limit: CALLS })
    return { name, does, kernel, twin: well ? 'passes' : 'fails', report }
  })

  it.each(rows)('$name: $kernel, and leaves nothing', ({ kernel, twin, report }) => {
    expect([twin, report.error, report.leaks, report.faults]).toEqual([kernel, null, [], []])
  })

  it('are a table', () => {
    const cells = rows.map(({ name, does, kernel, twin }) => [name, does, kernel, twin])
    expectFidelityTable('vmalloc tests', ['case', 'what it does', 'a kernel', 'the twin'], cells)
  })
})
