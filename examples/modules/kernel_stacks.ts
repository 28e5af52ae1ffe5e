// A task's stack in the kernel: functions call each other on it, an interrupt comes on top, and softirqs at its end. How
// much of it the interrupt costs depends on whether the CPU has stacks of its own for that.
import type { ModuleKernel } from 'mmtwin'

export function init(k: ModuleKernel): number {
  const task = k.kthread_create('writer')
  if (task === null) return -k.ENOMEM
  const unused = (): number => k.stack_not_used(task)
  k.pr_info(`${k.THREAD_SIZE} bytes at ${k.task_stack_page(task)}, of which frames can have ${unused()}`)

  k.schedule(task)
  k.call('sys_write', 64, () => {
    k.call('vfs_write', 120, () => {
      k.call('ext4_file_write_iter', 200, () => {
        const [used, left] = [k.stack_used(task), unused()]
        k.pr_info(`three functions deep: ${used} bytes are used`)
        k.common_interrupt(() => {
          k.call('ahci_interrupt', 512)
          k.do_softirq(() => k.call('net_rx_action', 1024))
        })
        k.pr_info(`an interrupt and softirqs cost the task ${left - unused()} bytes more`)
      })
    })
  })
  k.schedule(null)
  k.pr_info(`all came back: ${k.stack_used(task)} bytes are used, the end is ${end(k.task_stack_end_corrupted(task))}`)
  k.kthread_stop(task)
  return 0
}

const end = (corrupted: boolean): string => (corrupted ? 'overwritten' : 'as it was')
