// A pool over an allocator that stops working. While it works, the reserve is not touched; when it fails, the reserve
// serves; and what comes back refills the reserve first.
import type { ModuleKernel, Pointer } from 'mmtwin'

const RESERVE = 4

export function init(k: ModuleKernel): number {
  let broken = false
  const alloc = (gfp: number, size: number): Pointer | null => (broken ? null : k.kmalloc(size, gfp))
  const pool = k.mempool_create(RESERVE, alloc, k.mempool_kfree, 256)
  if (pool === null) return -k.ENOMEM

  const held = [k.mempool_alloc(pool, k.GFP_NOIO)]
  k.pr_info(`the allocator works: ${held[0] === null ? 'nothing' : 'an element'}, and the reserve is full`)

  broken = true
  while (held.at(-1) !== null) held.push(k.mempool_alloc(pool, k.GFP_ATOMIC))
  held.pop()
  k.pr_info(`the allocator fails: ${held.length - 1} elements came from the reserve of ${RESERVE}, then NULL`)

  k.mempool_free(held.pop() ?? null, pool)
  const refilled = k.mempool_alloc(pool, k.GFP_ATOMIC)
  k.pr_info(`one was given back and served again: ${refilled === null ? 'no' : 'yes'}`)

  for (const element of [...held, refilled]) k.mempool_free(element, pool)
  k.mempool_destroy(pool)
  return 0
}
