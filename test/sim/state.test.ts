// Snapshot, fork and hash of a whole machine, small or a terabyte large.
import { describe, expect, it } from 'vitest'
import { BLOCK_TOUCHED } from '../../src/mm/mmzone.ts'
import { Machine } from '../../src/sim/machine.ts'
import { randomCommands } from '../../src/sim/random_commands.ts'
import { snapshotSize } from '../../src/sim/state.ts'

const use = (machine: Machine, count: number, seed: number): void => {
  randomCommands(machine.sys, count, seed, command => machine.apply(command))
}

describe.each(['256M', '5G', '1T'])('a machine of %s', memory => {
  const machine = Machine.boot({ memory, cpus: 2 })

  it('comes back to a snapshot, from blocks that were touched later, too', () => {
    use(machine, 100, 1)
    const [snapshot, hash] = [machine.snapshot(), machine.hash()]
    use(machine, 2000, 2)
    for (let i = 0; i < 5; i++) machine.allocPages({ order: 10, gfp: 'GFP_HIGHUSER_MOVABLE' })
    expect(machine.hash()).not.toBe(hash)
    machine.rewind(snapshot)
    expect(machine.hash()).toBe(hash)
    expect(machine.check()).toEqual([])
    const { state } = machine.sys.block
    const untouched = state.findIndex(value => value !== BLOCK_TOUCHED)
    const first = untouched << machine.sys.block_shift
    for (const column of Object.values(machine.sys.page))
      expect(column.subarray(first, first + 2 ** machine.sys.block_shift).some(value => value !== 0)).toBe(false)
  })

  it('forks: the same state, then each its own', () => {
    const fork = machine.fork()
    expect(fork.hash()).toBe(machine.hash())
    use(machine, 300, 3)
    expect(fork.hash()).not.toBe(machine.hash())
    use(fork, 300, 3)
    expect(fork.hash()).toBe(machine.hash())
  })

  it('attaches to the same buffer', () => {
    const other = Machine.attach(machine.sys.kernel, machine.sys.image.buffer)
    other.allocPages({ order: 2 })
    expect(other.hash()).toBe(machine.hash())
  })

  it('copies what was touched, not what there is', () => {
    const touched = machine.sys.block.state.filter(state => state === BLOCK_TOUCHED).length
    const tables = machine.sys.page.state.byteOffset - machine.sys.image.start
    expect(snapshotSize(machine.sys)).toBeLessThan(tables + (touched * 45 + 40) * 2 ** machine.sys.block_shift)
  })
})

it('a hash does not count commands', () => {
  const machine = Machine.boot({ memory: '64M' })
  const hash = machine.hash()
  machine.apply({ op: 'set_cpu', cpu: 0 })
  expect(machine.hash()).toBe(hash)
})
