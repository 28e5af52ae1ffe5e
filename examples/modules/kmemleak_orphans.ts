// A module that loses memory in several ways, on a kernel that looks for it: kmemleak finds what no byte of the machine
// points to. What a list in the module's static data holds is no leak, until the module is gone and its data with it.
import type { MachineDescription, ModuleKernel, Pointer } from 'mmtwin'

export const machine: MachineDescription = { memory: '64M', config: { DEBUG_KMEMLEAK: true } }

/** A number, then the links of a list. */
const LINKS = 16

let list: Pointer

export function init(k: ModuleKernel): number {
  // TypeScript's variables are not the machine's memory: nothing there points to these.
  k.kmalloc(100, k.GFP_KERNEL)
  k.vmalloc(5000)

  list = k.static_data(k.sizeof_list_head)
  k.INIT_LIST_HEAD(list)
  for (let number = 0; number < 3; number++) {
    const entry = k.kzalloc(LINKS + k.sizeof_list_head, k.GFP_KERNEL)
    if (entry === null) return -k.ENOMEM
    k.writel(number, entry)
    k.list_add_tail(entry.plus(LINKS), list)
  }

  // Its address lies nowhere: without this word it would be reported, too.
  const hidden = k.kmalloc(200, k.GFP_KERNEL)
  k.kmemleak_not_leak(hidden)
  k.pr_info('2 blocks are lost, 3 are on a list, 1 is hidden')
  return 0
}

export function exit(k: ModuleKernel): void {
  let entries = 0
  while (!k.list_empty(list)) {
    k.list_del(k.readp(list)!)
    entries++
  }
  k.pr_info(`${entries} entries were taken off the list, and not freed`)
}
