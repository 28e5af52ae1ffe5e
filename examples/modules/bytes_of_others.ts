// A module that writes behind its buffer and reads it after it gave it back. A plain kernel does not notice; with
// `--kasan` it reports both, with who took the memory and who gave it back.
import type { ModuleKernel } from 'mmtwin'

export function init(k: ModuleKernel): number {
  const buffer = k.kmalloc(100, k.GFP_KERNEL)
  if (buffer === null) return -k.ENOMEM
  k.memset(buffer, 0x2e, 100)
  k.writeb(0x21, buffer.plus(100))
  k.kfree(buffer)
  k.pr_info(`byte 50 after kfree: 0x${k.readb(buffer.plus(50)).toString(16)}`)
  return 0
}
