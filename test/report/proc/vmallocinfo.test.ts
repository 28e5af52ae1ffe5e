// /proc/vmallocinfo: the lines of a machine, and every recorded file read.
import { describe, expect, it } from 'vitest'
import { get_vm_area } from '../../../src/mm/vm_struct.ts'
import { ioremap, vfree, vmalloc, vmap } from '../../../src/mm/vmalloc.ts'
import { VM_ALLOC } from '../../../src/mm/vmalloc_types.ts'
import { vm_map_ram } from '../../../src/mm/vmap_block.ts'
import { formatVmallocinfo, readVmallocinfo } from '../../../src/report/proc/vmallocinfo.ts'
import { bootSpace } from '../../mm/address_space_machine.ts'
import { describeShared, SHARED } from '../../shared.ts'
import { verifyFiles } from '../../verify/files.ts'

describe('/proc/vmallocinfo', () => {
  it('has a line for each area, then what waits for a purge', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    ioremap(sys, 0xffe1000, 4096, 'acpi_os_map_iomem+0x194/0x1b0')
    vmalloc(sys, 3 * 4096, 'n_tty_open+0x14/0xa0')
    vfree(sys, vmalloc(sys, 4096))
    vmap(sys, [1, 2], undefined, undefined, 'init+0x1/0x2')
    vm_map_ram(sys, [1])
    vmalloc(sys, 600 * 4096, 'big+0x0/0x9')
    get_vm_area(sys, 1, VM_ALLOC, '')
    expect(formatVmallocinfo(sys).split('\n')).toEqual([
      '0xffffc90000000000-0xffffc90000002000    8192 acpi_os_map_iomem+0x194/0x1b0 phys=0x000000000ffe1000 ioremap',
      '0xffffc90000002000-0xffffc90000006000   16384 n_tty_open+0x14/0xa0 pages=3 vmalloc N0=3',
      '0xffffc90000008000-0xffffc9000000b000   12288 init+0x1/0x2 vmap',
      '0xffffc9000000b000-0xffffc90000264000 2461696 big+0x0/0x9 pages=600 vmalloc vpages N0=600',
      '0xffffc90000264000-0xffffc90000267000   12288 big+0x0/0x9 pages=2 vmalloc N0=2',
      '0xffffc90000267000-0xffffc90000269000    8192 vmalloc',
      '0xffffc90000400000-0xffffc90000800000 4194304 vm_map_ram',
      '0xffffc90000006000-0xffffc90000008000    8192 unpurged vm_area',
      '',
    ])
  })

  it('hides addresses as the kernel does', () => {
    const sys = bootSpace('6.1-i386', '64M')
    ioremap(sys, 0xfed00000, 4096, 'hpet_enable+0xa3/0x3de')
    expect(formatVmallocinfo(sys, 'ptrval')).toBe(
      '0x(ptrval)-0x(ptrval)    8192 hpet_enable+0xa3/0x3de phys=0xfed00000 ioremap\n',
    )
  })

  it('is read back', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    ioremap(sys, 0xffe1000, 4096, 'acpi_os_map_iomem+0x194/0x1b0')
    vmalloc(sys, 3 * 4096, 'n_tty_open+0x14/0xa0')
    expect(readVmallocinfo(`${formatVmallocinfo(sys)}\nnonsense\n`)).toEqual({
      areas: [
        { size: 8192, caller: 'acpi_os_map_iomem+0x194/0x1b0', pages: 0, phys: 0xffe1000, words: ['ioremap'] },
        { size: 16384, caller: 'n_tty_open+0x14/0xa0', pages: 3, phys: -1, words: ['vmalloc', 'N0=3'] },
      ],
      diagnostics: [{ line: 4, message: 'no line of /proc/vmallocinfo: two addresses and a size' }],
    })
  })
})

describeShared('recorded /proc/vmallocinfo', () => {
  it('every line is read', () => {
    const files = verifyFiles(`${SHARED}/truth`, /(^|\/)vmallocinfo(\.gz)?$/)
    expect(files.length).toBeGreaterThan(40)
    for (const file of files) expect(readVmallocinfo(file.text()).diagnostics, file.path).toEqual([])
  })
})
