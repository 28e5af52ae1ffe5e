// Machines with caches for tests of SLUB: a few thousand frames, no randomness unless a test asks for it.
import { kernels, with_config } from '../../src/kernels/index.ts'
import { check } from '../../src/mm/check.ts'
import type { Kernel, KernelConfig } from '../../src/mm/kernel.ts'
import { kmem_cache_init, type SlabBoot, slab_check } from '../../src/mm/kmem_cache.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { machine } from './machine.ts'

const PLAIN = { SLAB_FREELIST_HARDENED: false, SLAB_FREELIST_RANDOM: false } as const

/** 6.1 or 6.12 with other switches. */
export function slubKernel(release: '6.1' | '6.12' = '6.1', config: Partial<KernelConfig> = {}): Kernel {
  const name = `slub-${release}${Object.keys(config).join('')}`
  return with_config(kernels[`${release}-x86_64`]!, { ...PLAIN, ...config }, { name })
}

export interface SlubMachine {
  readonly sys: Sys
  /** What the machine said. */
  readonly said: string[]
}

/** A machine of one zone, which does not begin at address 0, with all caches of boot. */
export function slubMachine(
  kernel: Kernel = slubKernel(),
  cpus: readonly number[] = [0],
  boot: SlabBoot = {},
): SlubMachine {
  return booted(
    machine({ kernel, zones: [{ name: 'Normal', start: 1024, end: 9216 }], cpus, batch: 8, high: 16 }),
    boot,
  )
}

/** A machine of two nodes, a CPU each. */
export function numaMachine(kernel: Kernel = slubKernel()): SlubMachine {
  const zone = { name: 'Normal' } as const
  const zones = [
    { ...zone, node: 0, start: 1024, end: 4096 },
    { ...zone, node: 1, start: 4096, end: 8192 },
  ]
  return booted(machine({ kernel, zones, cpus: [0, 1] }), {})
}

function booted(sys: Sys, boot: SlabBoot): SlubMachine {
  sys.node.online.fill(1)
  const said: string[] = []
  sys.printk = line => said.push(line)
  kmem_cache_init(sys, boot)
  return { sys, said }
}

/** All broken laws of a machine. */
export const laws = (sys: Sys): string[] => [...slab_check(sys), ...check(sys)]
