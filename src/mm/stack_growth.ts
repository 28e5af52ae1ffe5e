// Stacks grow down to where they are used, as far as their limit and the next mapping's distance allow.

import { anon_vma_prepare } from './anon_vma.ts'
import { may_expand_vm, mlock_allowed, STACK_GUARD_GAP } from './mmap.ts'
import type { Sys } from './mmzone.ts'
import { __vm_enough_memory } from './overcommit.ts'
import {
  EFAULT,
  ENOMEM,
  EPERM,
  RLIMIT_STACK,
  VM_ACCOUNT,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_READ,
  VM_WRITE,
} from './vm_flags.ts'
import { vm_stat_account, vma_set_range } from './vma.ts'

/** Lets a stack begin at `page`: 0, or a negated errno. @kernel mm/mmap.c:expand_downwards */
export function expand_stack(sys: Sys, vma: number, page: number): number {
  const { start, end, flags, prev, pgoff } = sys.vma
  if (page < 16) return -EPERM
  const below = prev[vma]!
  if (below !== 0) {
    const mapped = (flags[below]! & (VM_READ | VM_WRITE | VM_EXEC)) !== 0
    // The gap keeps a stack from running into what lies below it unseen.
    if ((flags[below]! & VM_GROWSDOWN) === 0 && mapped && page - end[below]! < STACK_GUARD_GAP) return -ENOMEM
    if (page < end[below]!) return -EFAULT
  }
  anon_vma_prepare(sys, vma)
  const pages = start[vma]! - page
  if (pages <= 0) return 0
  const error = acct_stack_growth(sys, vma, end[vma]! - page, pages)
  if (error !== 0) return error
  vm_stat_account(sys, sys.vma.mm[vma]!, flags[vma]!, pages)
  if ((flags[vma]! & VM_LOCKED) !== 0) sys.mm.locked_vm[sys.vma.mm[vma]!]! += pages
  vma_set_range(sys, vma, page, end[vma]!, pgoff[vma]! - pages)
  return 0
}

/** @kernel mm/mmap.c:acct_stack_growth */
function acct_stack_growth(sys: Sys, vma: number, size: number, grow: number): number {
  const mm = sys.vma.mm[vma]!
  const owner = sys.mm.owner[mm]!
  if (!may_expand_vm(sys, mm, sys.vma.flags[vma]!, grow)) return -ENOMEM
  if (owner !== 0 && size * sys.page_bytes > sys.task.rlim[8 * owner + RLIMIT_STACK]!) return -ENOMEM
  if ((sys.vma.flags[vma]! & VM_LOCKED) !== 0 && !mlock_allowed(sys, mm, grow)) return -ENOMEM
  return (sys.vma.flags[vma]! & VM_ACCOUNT) !== 0 && __vm_enough_memory(sys, mm, grow) !== 0 ? -ENOMEM : 0
}
