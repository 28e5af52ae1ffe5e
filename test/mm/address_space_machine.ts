// Booted machines with an address space, for tests of vmalloc, kmap and page tables.
import { setup_address_space } from '../../src/arch/x86/setup_address_space.ts'
import { check } from '../../src/mm/check.ts'
import { highmem_check } from '../../src/mm/highmem.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { vmalloc_check } from '../../src/mm/vmalloc_check.ts'
import { boot_from_description } from '../../src/sim/boot.ts'

/** A machine of a kernel profile; what the kernel prints is gathered in `said`. */
export function bootSpace(kernel: string, memory: string, commandLine = ''): Sys & { said: string[] } {
  const sys = boot_from_description({ kernel, memory, commandLine }, { shared: false })
  setup_address_space(sys)
  const said: string[] = []
  sys.printk = line => said.push(line)
  return Object.assign(sys, { said })
}

/** All laws of the machine. */
export function laws(sys: Sys): string[] {
  return [...check(sys), ...vmalloc_check(sys), ...highmem_check(sys)]
}
