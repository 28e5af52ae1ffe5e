// The machine as programs use it.
import { describe, expect, it } from 'vitest'
import { Machine } from '../../src/sim/machine.ts'

const machine = Machine.boot({ memory: '128M', cpus: 2, commandLine: 'quiet' })

describe('machine', () => {
  it('allocates with names, frees, and says no with null', () => {
    const block = machine.allocPages({ order: 3, gfp: 'GFP_KERNEL|__GFP_ZERO', node: 0, cpu: 1 })!
    expect(block.order).toBe(3)
    expect(machine.formatAddress(machine.pageAddress(block.pfn)!)).toMatch(/^ffff8880/)
    machine.freePages(block)
    expect(machine.allocPages({ order: 11 })).toBeNull()
    expect(machine.log.at(-1)?.line).toContain('order 11')
    expect(() => machine.allocPages({ gfp: 'GFP_KERNL' })).toThrow('no GFP flag "GFP_KERNL"')
  })

  it('lets several listen to one tracepoint', () => {
    const heard: string[] = []
    const ends = ['a', 'b'].map(name => machine.on('mm_page_free', (_, order) => heard.push(`${name}${order}`)))
    machine.freePages(machine.allocPages({ order: 2 })!)
    ends[0]!()
    machine.freePages(machine.allocPages({ order: 1 })!)
    ends[1]!()
    expect(machine.sys.trace.mm_page_free).toBeUndefined()
    expect(heard).toEqual(['a2', 'b2', 'b1'])
  })

  it('reads its files, and says which there are not', () => {
    expect(machine.proc('buddyinfo')).toMatch(/^Node 0, zone {6}DMA /)
    expect(machine.proc('/proc/cmdline')).toBe('quiet\n')
    expect(machine.proc('iomem')).toContain('00100000-07ffffff : System RAM\n')
    expect(machine.proc('sys/vm/swappiness')).toBe('60\n')
    expect(machine.proc('/sys/devices/system/node/online')).toBe('0\n')
    expect(() => machine.proc('/proc/kcore')).toThrow('/proc/kcore: no such file')
  })

  it('explains every byte of its image', () => {
    const { sys } = machine
    const at = (view: { byteOffset: number; BYTES_PER_ELEMENT: number }, index: number): string => {
      const { table, column, rowName, element, value } = machine.explainByte(
        view.byteOffset + index * view.BYTES_PER_ELEMENT + view.BYTES_PER_ELEMENT - 1,
      )
      return `${table}.${column} ${rowName} [${element}] = ${value}`
    }
    expect(machine.explainByte(0)).toMatchObject({ table: 'header', value: null })
    expect(at(sys.zone.watermark, 4 * 1 + 2)).toBe(`zone.watermark node 0 zone DMA32 [2] = ${sys.zone.watermark[6]}`)
    expect(at(sys.page._refcount, 4711)).toBe(`page._refcount frame 4711 [0] = ${sys.page._refcount[4711]}`)
    expect(at(sys.link.link, 2 * sys.pcp_list_base)).toMatch(/^link\.link head of node 0 zone DMA cpu 0 list 0/)
    expect(at(sys.link.link, 2 * (sys.free_list_base + 4))).toMatch(/head of node 0 zone DMA order 0 Isolate/)
    expect(at(sys.vm_event.count, 4)).toMatch(/pgalloc_dma /)
    expect(() => machine.explainByte(sys.image.buffer.byteLength)).toThrow('the image has')
    for (let byte = 0; byte < sys.image.buffer.byteLength; byte += 9973) machine.explainByte(byte)
  })
})
