// A buffer that grows: krealloc gives the same memory back as long as it is large enough (ksize says how large it is), and
// moves the content where it is not. 0 bytes is a free, and a size that nobody could have is NULL.
import type { ModuleKernel, Pointer } from 'mmtwin'

export function init(k: ModuleKernel): number {
  let buffer: Pointer | null = null
  let size = 0
  for (const wanted of [20, 30, 60, 200, 5000, 300_000]) {
    const grown: Pointer | null = k.krealloc(buffer, wanted, k.GFP_KERNEL)
    if (grown === null) return -k.ENOMEM
    const kept = buffer === null || k.readb(grown) === 0x7e
    const moved = buffer === null || !grown.equals(buffer)
    k.pr_info(
      `${size} to ${wanted} bytes: ${moved ? 'new memory' : 'the same'} of ${k.ksize(grown)}${kept ? '' : ', lost'}`,
    )
    if (buffer === null) k.writeb(0x7e, grown)
    buffer = grown
    size = wanted
  }
  k.krealloc(buffer, 0, k.GFP_KERNEL)
  const absurd = k.kmalloc_array(2 ** 40, 2 ** 12, k.GFP_KERNEL | k.__GFP_NOWARN)
  k.pr_info(`an array of 2^52 bytes: ${absurd === null ? 'NULL' : 'given'}`)
  return 0
}
