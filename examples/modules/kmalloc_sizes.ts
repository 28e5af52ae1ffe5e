// What kmalloc gives for what it is asked: never less, and what is more is waste inside of the object.
import type { ModuleKernel } from 'mmtwin'

export function init(k: ModuleKernel): number {
  for (const size of [1, 8, 9, 33, 65, 97, 129, 193, 500, 1025, 4097, 8193, 100_000]) {
    const object = k.kmalloc(size, k.GFP_KERNEL)
    if (object === null) return -k.ENOMEM
    const given = k.ksize(object)
    k.pr_info(`kmalloc(${size}) gives ${given} bytes, ${(100 * (1 - size / given)).toFixed(0)} % waste`)
    k.kfree(object)
  }
  const nothing = k.kmalloc(0, k.GFP_KERNEL)
  k.pr_info(`kmalloc(0) gives ${nothing}, which nobody may use and kfree takes`)
  k.kfree(nothing)
  return 0
}
