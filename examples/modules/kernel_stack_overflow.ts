// A function that calls itself too often. A stack with a guard page ends the machine at the very write that is one too
// many; one in the direct map goes on into whoever lies below it, and nobody notices before it is too late.
import type { ModuleKernel } from 'mmtwin'

/** The machine that `mmtwin run` boots unless told otherwise. */
export const machine = { kernel: '6.1-i386', memory: '64M' }

export function init(k: ModuleKernel): number {
  const tasks = [...'abcdefgh'].map(letter => k.kthread_create(`task-${letter}`)!)
  // One whose stack begins where that of another one ends, where there is one.
  const below = (task: (typeof tasks)[0]): (typeof tasks)[0] | undefined =>
    tasks.find(other => k.task_stack_page(task).minus(k.task_stack_page(other)) === k.THREAD_SIZE)
  const task = tasks.find(below) ?? tasks[0]!
  k.schedule(task)
  k.pr_info(`${task} has ${k.stack_not_used(task)} bytes`)

  const deeper = (left: number): boolean => k.call('walk_tree', 256, () => void (left > 0 && deeper(left - 1)))
  const back = deeper(Math.ceil(k.stack_not_used(task) / 256))

  k.pr_info(`${-k.stack_not_used(task)} bytes too many, and ${back ? 'all functions came back' : 'the task is lost'}`)
  for (const { name, length, owner } of k.stack_damage()) k.pr_info(`${name}() wrote over ${length} bytes: ${owner}`)
  k.pr_info(`the word at the end is ${k.task_stack_end_corrupted(task) ? 'lost' : 'there'}; now it sleeps`)
  k.schedule(null)
  for (const each of tasks) k.kthread_stop(each)
  return 0
}
