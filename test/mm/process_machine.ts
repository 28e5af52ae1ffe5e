// Booted machines with processes, for tests of virtual memory.
import { setup_address_space } from '../../src/arch/x86/setup_address_space.ts'
import { fork, mm_alloc, switch_to, task_alloc } from '../../src/mm/fork.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { vm_init } from '../../src/mm/vm_init.ts'
import { boot_from_description } from '../../src/sim/boot.ts'

/** A machine with one running process that maps nothing yet. */
export function bootProcess(
  kernel = '6.1-x86_64',
  memory = '256M',
  more: { readonly nr_swap_slots?: number } = {},
): Sys & { init: number } {
  const sys = boot_from_description({ kernel, memory }, { shared: false, processes: { nr_tasks: 16, ...more } })
  setup_address_space(sys)
  vm_init(sys)
  const init = task_alloc(sys, 'init')
  sys.task.mm[init] = mm_alloc(sys, init)
  switch_to(sys, init)
  return Object.assign(sys, { init })
}

export { fork }
