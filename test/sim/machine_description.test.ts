import { describe, expect, test } from 'vitest'
import { boot_from_description } from '../../src/sim/boot.ts'
import { memparse, parseCommandLine } from '../../src/sim/command_line.ts'
import { parseMachineDescription } from '../../src/sim/machine_description.ts'

const boot = (value: unknown) => () => boot_from_description(parseMachineDescription(value), { shared: false })

describe('descriptions that no machine could be get one sentence', () => {
  const R = (start: unknown, size: unknown, more = {}) => ({ start, size, ...more })
  test.each([
    ['it must be an object', []],
    ['"memory" is missing', {}],
    ['unknown field "ram"', { ram: '1G' }],
    ['"memory" is "lots", which is no size in bytes', { memory: 'lots' }],
    ['"memory" is 1024 bytes; a machine needs 4 MiB', { memory: 1024 }],
    [
      'memory[0] (0x0-0x3fffffff) overlaps memory[1] (0x20000000-0x5fffffff)',
      { memory: [R(0, '1G'), R('512M', '1G')] },
    ],
    ['memory[0] at 0x1000 is empty', { memory: [R(4096, 0)] }],
    ['memory[0].start is -5, which is no size', { memory: [R(-5, '1G')] }],
    ['memory[0].size is "1X", which is no size', { memory: [R(0, '1X')] }],
    ['ends above 0x40000000000, 4 TiB', { memory: [R(0, '5T')] }],
    ['"memory" has no usable range', { memory: [R(0, '1G', { type: 'reserved' })] }],
    ['memory[0].type is "ram"', { memory: [R(0, '1G', { type: 'ram' })] }],
    ['memory[0].node is -1', { memory: [R(0, '1G', { node: -1 })] }],
    ['"cpus" gives 0 CPUs', { memory: '1G', cpus: 0 }],
    ['"cpus" names node 99', { memory: '1G', cpus: [99] }],
    ['2 nodes are named, but no range of memory belongs to one', { memory: '1G', cpus: [0, 1] }],
    ['must be 1 rows of 1 numbers', { memory: '1G', distances: [[10, 20]] }],
    ['no kernel profile "7"', { memory: '1G', kernel: '7' }],
    ['"slab" is "slop"; there are slub, slab, slob', { memory: '1G', slab: 'slop' }],
    ['"slab" is 3; there are', { memory: '1G', slab: 3 }],
    ['SLOB ended with 6.3, this is 6.12', { memory: '1G', kernel: '6.12-x86_64', slab: 'slob' }],
    ['SLAB ended with 6.7, this is 6.12', { memory: '1G', kernel: '6.12-x86_64', slab: 'slab' }],
    ['SLUB_DEBUG belongs to SLUB, not to SLAB', { memory: '1G', slab: 'slab', config: { SLUB_DEBUG: true } }],
    ['MEMCG_KMEM needs SLUB or SLAB', { memory: '1G', slab: 'slob', config: { MEMCG_KMEM: true } }],
    ['"config" has no switch TURBO', { memory: '1G', config: { TURBO: true } }],
    ['HIGHMEM belongs to 32-bit', { memory: '1G', config: { HIGHMEM: true } }],
    ['leave no memory', { memory: '1G', commandLine: 'memmap=exactmap' }],
  ])('%s', (sentence, description) => {
    expect(boot(description)).toThrow(RangeError)
    expect(boot(description)).toThrow(sentence)
  })
})

describe('the command line changes the machine', () => {
  const frames = (commandLine: string, memory: unknown = '2G', more = {}): string => {
    const sys = boot({ memory, commandLine, ...more })()
    return [...sys.zone.present_pages].join(' ')
  }
  test.each([
    ['mem=1G', '3998 258048 0 0 0'],
    ['memmap=1G$512M', '3998 258048 0 0 0'],
    ['memmap=1G', '3998 258048 0 0 0'],
    ['memmap=exactmap memmap=64M@16M', '0 16384 0 0 0'],
    ['movablecore=1G', '3998 258048 0 262144 0'],
    ['kernelcore=50%', '3998 259072 0 261120 0'],
    ['numa=fake=2', '3998 258048 0 0 0 0 262144 0 0 0'],
  ])('%s', (line, zones) => expect(frames(line)).toBe(zones))

  test('numa=off forgets the nodes', () => {
    const nodes = [
      { start: 0, size: '1G', node: 0 },
      { start: '1G', size: '1G', node: 1 },
    ]
    expect(frames('numa=off', nodes, { cpus: [0, 1] })).toBe('3999 520192 0 0 0')
  })

  test('highmem= and vmalloc= move the end of low memory', () => {
    const low = (line: string): number => {
      const sys = boot({ kernel: '6.1-i386', memory: '1G', commandLine: line })()
      return sys.zone.zone_start_pfn[1]! + sys.zone.spanned_pages[1]!
    }
    expect(low('')).toBe(224254)
    expect(low('vmalloc=256M')).toBe(224254 - (128 + 8) * 256)
    expect(low('highmem=64M')).toBe(224254)
  })
})

test('the allocator of objects is the profile’s, or the one that is named', () => {
  const kernel = (more: object) => boot({ memory: '64M', ...more })().kernel
  expect(kernel({}).slab).toBe('SLUB')
  expect(kernel({ slab: 'slub' })).toBe(kernel({}))
  expect([kernel({ slab: 'slab' }).slab, kernel({ slab: 'slab' }).name]).toEqual(['SLAB', '6.1-x86_64-slab'])
  const debug = kernel({ slab: 'slab', config: { DEBUG_SLAB: true } })
  expect([debug.config.DEBUG_SLAB, debug.config.SLUB_DEBUG, debug.name]).toEqual([
    true,
    false,
    '6.1-x86_64-slab-custom',
  ])
  expect(kernel({ kernel: '6.1-i386', slab: 'slob' }).slab).toBe('SLOB')
})

describe('words of the command line', () => {
  test('sizes', () => {
    expect(memparse('512M$1G')).toEqual({ bytes: 2 ** 29, rest: '$1G' })
    expect(memparse('0x10k')).toEqual({ bytes: 16384, rest: '' })
    expect(memparse('x').bytes).toBeNaN()
  })

  test('what is said last counts; what is not understood is left alone', () => {
    const line = parseCommandLine('mem=1G mem=2G quiet numa=fake=128M numa=fake=3U sysctl.vm.swappiness=5 maxcpus=2')
    expect(line).toMatchObject({ mem: 2 ** 31, numaFake: { per_node: 3 }, maxCpus: 2, transparentHugepage: true })
    expect(line.sysctls).toEqual([{ name: 'swappiness', value: '5' }])
    expect(parseCommandLine('').numaFake).toBeNull()
  })
})
