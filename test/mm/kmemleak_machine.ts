// Machines with kmemleak for tests: 16 MiB, an address space, caches; and what the kernel says.
import { setup_address_space } from '../../src/arch/x86/setup_address_space.ts'
import { kernel_by_name, with_config } from '../../src/kernels/index.ts'
import type { Kernel } from '../../src/mm/kernel.ts'
import { kmem_cache_init } from '../../src/mm/kmem_cache.ts'
import { kmemleak_init } from '../../src/mm/kmemleak.ts'
import { kmemleak_write } from '../../src/mm/kmemleak_debugfs.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { boot_from_description } from '../../src/sim/boot.ts'

/** A kernel profile with kmemleak. */
export function leakKernel(name = '6.1-x86_64', changes: Parameters<typeof with_config>[2] = {}): Kernel {
  return with_config(kernel_by_name(name), { DEBUG_KMEMLEAK: true }, { name: `${name}-kmemleak`, ...changes })
}

export interface LeakMachine {
  readonly sys: Sys
  /** Lines since the last call. */
  readonly said: () => string[]
}

export function leakMachine(kernel: Kernel = leakKernel(), cmdline = ''): LeakMachine {
  const sys = boot_from_description({ memory: '64M' }, { kernel, shared: false })
  const log: string[] = []
  sys.printk = line => log.push(line)
  if (kernel.arch !== 'alpha') setup_address_space(sys)
  kmem_cache_init(sys)
  kmemleak_init(sys, cmdline)
  return { sys, said: () => log.splice(0) }
}

/** Lets blocks grow old enough, and scans twice. */
export function scanTwice({ sys, said }: LeakMachine): string[] {
  said()
  sys.machine.jiffies[0]! += 2000
  kmemleak_write(sys, 'scan')
  kmemleak_write(sys, 'scan')
  return said()
}
