// All kernel profiles by name, and the one that fits a release string.
import { find_low_pfn_range } from '../arch/x86/init_32.ts'
import type { Kernel } from '../mm/kernel.ts'
import { alpha_2_6 } from './alpha_2_6.ts'
import { i386_6_1, i386_6_1_2g, i386_6_1_pae } from './i386_6_1.ts'
import { i386_2_6_discontigmem } from './i386_discontigmem.ts'
import { x86_64_6_1, x86_64_6_1_la57 } from './x86_64_6_1.ts'
import { x86_64_6_12 } from './x86_64_6_12.ts'

export { define_kernel, type KernelRecord, with_config, with_slab } from './define_kernel.ts'

const all: readonly Kernel[] = [
  x86_64_6_1,
  x86_64_6_1_la57,
  x86_64_6_12,
  i386_6_1,
  i386_6_1_2g,
  i386_6_1_pae,
  i386_2_6_discontigmem,
  alpha_2_6,
]

/** Every profile by its name. */
export const kernels: Readonly<Record<string, Kernel>> = Object.fromEntries(all.map(kernel => [kernel.name, kernel]))

/** The profile of that name; a RangeError names those that exist. @ours */
export function kernel_by_name(name: string): Kernel {
  const kernel = Object.hasOwn(kernels, name) ? kernels[name] : undefined
  if (!kernel) throw new RangeError(`no kernel profile "${name}"; there are ${Object.keys(kernels).join(', ')}`)
  return kernel
}

/** The profile for a release as `uname -r` says it and a machine as `uname -m` says it, or `i386-pae`; null where none
 * fits.
 * A release without profile of its own gets the newest older one of its architecture.
 * @ours
 */
export function kernel_for_release(release: string, arch: string): Kernel | null {
  const family = arch === 'alpha' || arch === 'x86_64' ? arch : /^(i[3-6]86(-pae)?|x86)$/.test(arch) ? 'i386' : ''
  const pae = /-pae$/.test(arch) || /-pae\b/.test(release)
  const wanted = version(release)
  const fitting = all.filter(kernel => kernel.arch === family && version(kernel.release) <= wanted)
  const newest = Math.max(...fitting.map(kernel => version(kernel.release)))
  const same = fitting.filter(kernel => version(kernel.release) === newest)
  return same.find(({ name }) => name.endsWith('-pae') === pae) ?? same[0] ?? null
}

/** `6.12.117+deb12` → 6012; -1 for what is no release. */
function version(release: string): number {
  const match = /^(\d{1,3})\.(\d{1,3})/.exec(release)
  return match ? Number(match[1]) * 1000 + Number(match[2]) : -1
}

/** The same kernel with the direct map begun lower, where a profile has it, since `low_pfns` frames of low memory do not
 * fit under `vmalloc=` bytes (0 = not given) as it is. @ours */
export function kernel_with_room(kernel: Kernel, low_pfns: number, vmalloc: number): Kernel {
  // The fewer CPUs a kernel was built for, the higher its vmalloc area ends, and low memory with it.
  const VMALLOC_END = 2 ** 32
  const fits = (other: Kernel): boolean =>
    other.arch === kernel.arch &&
    other.release === kernel.release &&
    other.pgtable_levels === kernel.pgtable_levels &&
    find_low_pfn_range({ ...other, VMALLOC_END }, low_pfns, { vmalloc, highmem: -1 }).max_low_pfn >= low_pfns
  return fits(kernel) ? kernel : (all.find(fits) ?? kernel)
}
