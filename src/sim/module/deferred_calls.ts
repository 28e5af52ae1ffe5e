// Work that is done later: after all readers of RCU are done, or by a worker. Nobody else runs in the model, so it is
// done when somebody waits for it, and at the end of `init` or `exit` at the latest, oldest first.
// KASAN notes in an object who asked for work with it.
import { kasan_record_aux_stack } from '../../mm/kasan_meta.ts'
import { kasan_enabled } from '../../mm/kasan_shadow.ts'
import { NO_CACHE } from '../../mm/slab_allocator.ts'
import { slab_allocator } from '../../mm/slab_allocators.ts'
import type { ModuleContext } from './context.ts'
import type { Pointer } from './pointer.ts'

export interface DeferredCalls {
  /** `callback` gets the object when nobody reads it any more. @kernel kernel/rcu/tree.c:call_rcu */
  call_rcu(object: Pointer, callback: (object: Pointer) => void): void
  /** Gives memory of kmalloc back when nobody reads it any more. @kernel include/linux/rcupdate.h:kfree_rcu */
  kfree_rcu(object: Pointer): void
  /** Waits until all that was asked for is done. @kernel kernel/rcu/tree.c:rcu_barrier */
  rcu_barrier(): void
  /** A worker calls `work` with the object. @kernel include/linux/workqueue.h:queue_work */
  queue_work(object: Pointer, work: (object: Pointer) => void): void
  /** Waits until all work is done. @kernel include/linux/workqueue.h:flush_workqueue */
  flush_workqueue(): void
}

export function deferredCalls(ctx: ModuleContext, kfree: (object: Pointer) => void): DeferredCalls {
  const { sys } = ctx
  const later = (object: Pointer, action: (object: Pointer) => void): void => {
    const paddr = ctx.paddrOf(object)
    const cache = paddr < 0 ? NO_CACHE : slab_allocator(sys).cache_of(sys, paddr)
    if (kasan_enabled(sys) && cache !== NO_CACHE)
      kasan_record_aux_stack(sys, cache, slab_allocator(sys).nearest_obj(sys, paddr))
    ctx.deferred.push(() => action(object))
  }
  return {
    call_rcu: later,
    kfree_rcu: object => later(object, kfree),
    rcu_barrier: () => ctx.runDeferred(),
    queue_work: later,
    flush_workqueue: () => ctx.runDeferred(),
  }
}
