// Bits and small numbers of virtual memory, with the kernel's values where user space or a recording shows them.
export { VM_EXEC, VM_READ, VM_SHARED, VM_WRITE } from './pgprot.ts'

/** Bits of an area's flags. @kernel include/linux/mm.h */
export const VM_MAYREAD = 0x10
export const VM_MAYWRITE = 0x20
export const VM_MAYEXEC = 0x40
export const VM_MAYSHARE = 0x80
export const VM_GROWSDOWN = 0x100
export const VM_PFNMAP = 0x400
export const VM_LOCKED = 0x2000
export const VM_IO = 0x4000
export const VM_SEQ_READ = 0x8000
export const VM_RAND_READ = 0x10000
export const VM_DONTCOPY = 0x20000
export const VM_DONTEXPAND = 0x40000
export const VM_LOCKONFAULT = 0x80000
export const VM_ACCOUNT = 0x100000
export const VM_NORESERVE = 0x200000
export const VM_HUGETLB = 0x400000
export const VM_SYNC = 0x800000
export const VM_WIPEONFORK = 0x2000000
export const VM_DONTDUMP = 0x4000000
export const VM_SOFTDIRTY = 0x8000000
export const VM_MIXEDMAP = 0x10000000
export const VM_HUGEPAGE = 0x20000000
export const VM_NOHUGEPAGE = 0x40000000
export const VM_MERGEABLE = 0x80000000

/** Areas that hold what is no page, or that must not be touched by merging. */
export const VM_SPECIAL: number = VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP

/** @kernel include/uapi/asm-generic/mman-common.h */
export const PROT_NONE = 0
export const PROT_READ = 1
export const PROT_WRITE = 2
export const PROT_EXEC = 4
export const MAP_SHARED = 1
export const MAP_PRIVATE = 2
export const MAP_SHARED_VALIDATE = 3
export const MAP_FIXED = 0x10
export const MAP_ANONYMOUS = 0x20
export const MAP_GROWSDOWN = 0x100
export const MAP_LOCKED = 0x2000
export const MAP_NORESERVE = 0x4000
export const MAP_POPULATE = 0x8000
export const MAP_NONBLOCK = 0x10000
export const MAP_STACK = 0x20000
export const MAP_HUGETLB = 0x40000
export const MAP_FIXED_NOREPLACE = 0x100000
export const MREMAP_MAYMOVE = 1
export const MREMAP_FIXED = 2
export const MREMAP_DONTUNMAP = 4
export const MLOCK_ONFAULT = 1
export const MCL_CURRENT = 1
export const MCL_FUTURE = 2
export const MCL_ONFAULT = 4

/** Counters of resident pages. @kernel include/linux/mm_types_task.h */
export const MM_FILEPAGES = 0
export const MM_ANONPAGES = 1
export const MM_SWAPENTS = 2
export const MM_SHMEMPAGES = 3

/** task.state. */
export const TASK_RUNNING = 1
export const TASK_ZOMBIE = 2

/** task.flags. @kernel include/linux/sched.h */
export const PF_EXITING = 0x4
export const PF_FORKNOEXEC = 0x40
export const PF_MEMALLOC = 0x800
export const PF_KSWAPD = 0x20000
export const PF_KTHREAD = 0x200000
export const PF_RANDOMIZE = 0x400000
/** An OOM victim; ours, the kernel has it in the thread's flags. */
export const PF_TIF_MEMDIE = 0x1

/** mm.flags. @kernel include/linux/sched/coredump.h */
export const MMF_VM_HUGEPAGE = 1 << 17
export const MMF_OOM_SKIP = 1 << 21
/** Its anonymous memory was taken: what it faults in would be lost. */
export const MMF_UNSTABLE = 1 << 22
export const MMF_HUGE_ZERO_PAGE = 1 << 23
export const MMF_DISABLE_THP = 1 << 24
export const MMF_OOM_VICTIM = 1 << 25

/** Rows of task.rlim: ours. */
export const RLIMIT_DATA = 0
export const RLIMIT_STACK = 1
export const RLIMIT_MEMLOCK = 2
export const RLIMIT_AS = 3
export const RLIMIT_NPROC = 4

/** inode.kind. */
export const INODE_REGULAR = 1
export const INODE_SHMEM = 2
export const INODE_HUGETLB = 3
export const INODE_RAMFS = 4

/** vma.special. */
export const SPECIAL_VDSO = 1
export const SPECIAL_VVAR = 2

/** What a fault gave. @kernel include/linux/mm_types.h:enum vm_fault_reason */
export const VM_FAULT_OOM = 0x1
export const VM_FAULT_SIGBUS = 0x2
export const VM_FAULT_MAJOR = 0x4
export const VM_FAULT_HWPOISON = 0x10
export const VM_FAULT_SIGSEGV = 0x40
export const VM_FAULT_NOPAGE = 0x100
export const VM_FAULT_LOCKED = 0x200
export const VM_FAULT_RETRY = 0x400
export const VM_FAULT_FALLBACK = 0x800
export const VM_FAULT_ERROR: number =
  VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_HWPOISON | VM_FAULT_SIGSEGV | VM_FAULT_FALLBACK

/** How a fault came. @kernel include/linux/mm_types.h:enum fault_flag */
export const FAULT_FLAG_WRITE = 0x1
export const FAULT_FLAG_ALLOW_RETRY = 0x4
export const FAULT_FLAG_TRIED = 0x20
export const FAULT_FLAG_USER = 0x40
export const FAULT_FLAG_REMOTE = 0x80
export const FAULT_FLAG_INSTRUCTION = 0x100
export const FAULT_FLAG_UNSHARE = 0x400

/** The processor's word about a fault. @kernel arch/x86/include/asm/trap_pf.h:enum x86_pf_error_code */
export const X86_PF_PROT = 1
export const X86_PF_WRITE = 2
export const X86_PF_USER = 4
export const X86_PF_RSVD = 8
export const X86_PF_INSTR = 16

/** Signals and their reasons. @kernel include/uapi/asm-generic/siginfo.h */
export const SIGBUS = 7
export const SIGKILL = 9
export const SIGSEGV = 11
export const SEGV_MAPERR = 1
export const SEGV_ACCERR = 2
export const BUS_ADRERR = 2

/** @kernel include/uapi/asm-generic/errno-base.h */
export const EPERM = 1
export const ENOENT = 2
export const E2BIG = 7
export const ENOEXEC = 8
export const EAGAIN = 11
export const ENOMEM = 12
export const EACCES = 13
export const EFAULT = 14
export const EBUSY = 16
export const EEXIST = 17
export const EINVAL = 22
export const ENOSPC = 28
export const EBADF = 9
export const ESRCH = 3
export const ENODEV = 19
