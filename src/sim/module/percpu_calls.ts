// Memory per CPU, and memory that is freed after a grace period, as modules call them.
import { kvfree, kvfree_rcu, kvfree_rcu_mightsleep } from '../../mm/kvfree_rcu.ts'
import { __alloc_percpu, free_percpu, type PercpuPlace, per_cpu_ptr } from '../../mm/percpu.ts'
import type { ModuleContext } from './context.ts'
import type { Pointer } from './pointer.ts'

export interface PercpuCalls {
  /** `size` bytes of zeros for each CPU; null = there is no memory. What it gives is no address: per_cpu_ptr gives those.
   * @kernel mm/percpu.c:__alloc_percpu */
  __alloc_percpu(size: number, align: number): PerCpu | null
  /** A static variable of the module that each CPU has: zeros, until it is unloaded. @ours */
  static_percpu(size: number): PerCpu
  /** @kernel include/linux/percpu-defs.h:per_cpu_ptr */
  per_cpu_ptr(variable: PerCpu, cpu: number): Pointer
  /** NULL is nothing to free. @kernel mm/percpu.c:free_percpu */
  free_percpu(variable: PerCpu | null): void
  /** CPUs that there are. @kernel include/linux/cpumask.h:num_possible_cpus */
  num_possible_cpus(): number
  /** Frees memory of kmalloc or of vmalloc. @kernel mm/util.c:kvfree */
  kvfree(address: Pointer | null): void
  /** Frees it after a grace period; a struct rcu_head lies `offset` bytes behind its start.
   * @kernel include/linux/rcupdate.h:kvfree_rcu */
  kvfree_rcu(address: Pointer | null, offset: number): void
  /** The same without an rcu_head: it sleeps. @kernel include/linux/rcupdate.h:kvfree_rcu_mightsleep */
  kvfree_rcu_mightsleep(address: Pointer | null): void
}

/** A `void __percpu *`. */
export class PerCpu {
  readonly place: PercpuPlace
  readonly size: number

  constructor(place: PercpuPlace, size: number) {
    this.place = place
    this.size = size
  }

  toString(): string {
    return `percpu ${this.size} bytes`
  }
}

export function percpuCalls(ctx: ModuleContext): PercpuCalls {
  const { sys } = ctx
  const pointer = (variable: PerCpu, cpu: number): Pointer => {
    if (!(cpu < sys.nr_cpus)) throw new RangeError(`CPU ${cpu}: there are ${sys.nr_cpus}`)
    const { page, offset } = per_cpu_ptr(sys, variable.place, cpu)
    return ctx.at(page)!.plus(offset)
  }
  const alloc = (size: number, align: number): PerCpu | null => {
    const place = __alloc_percpu(sys, size, align)
    return place === null ? null : new PerCpu(place, size)
  }
  /** Memory that the module gives back, now or later. */
  const given = (address: Pointer | null): address is Pointer => {
    if (address === null) return false
    ctx.objects.delete(ctx.paddrOf(address))
    ctx.areas.delete(ctx.pageNumber(address))
    return true
  }
  return {
    __alloc_percpu: (size, align) => {
      const variable = alloc(size, align)
      if (variable !== null) ctx.percpu.set(variable, `__alloc_percpu(${size}, ${align})`)
      return variable
    },
    static_percpu: size => {
      const variable = alloc(size, STATIC_ALIGN) ?? ctx.oops('the module does not fit into memory')
      ctx.percpuMemory.push(variable.place)
      return variable
    },
    per_cpu_ptr: pointer,
    free_percpu: variable => {
      if (variable === null) return
      ctx.percpu.delete(variable)
      free_percpu(sys, variable.place)
    },
    num_possible_cpus: () => sys.nr_cpus,
    kvfree: address => {
      if (given(address)) kvfree(sys, address.address)
    },
    kvfree_rcu: (address, offset) => {
      if (given(address)) kvfree_rcu(sys, address.address, offset)
    },
    kvfree_rcu_mightsleep: address => {
      if (given(address)) kvfree_rcu_mightsleep(sys, address.address)
    },
  }
}

const STATIC_ALIGN = 16
