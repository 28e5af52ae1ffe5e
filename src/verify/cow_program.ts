// The recorded program (programs/cow.c), step by step, on the model's machine; names as the recording gives them.
import * as F from '../mm/vm_flags.ts'
import type { CowPlayer } from './cow_player.ts'

/** `begun`: its begin was in the step before, in another process. */
export interface CowStep {
  readonly section: string
  readonly name: string
  readonly run: (player: CowPlayer) => unknown
  readonly begun: boolean
  /** What the program does behind the step, before the next begins. */
  readonly after: (player: CowPlayer) => unknown
}

const RW = F.PROT_READ | F.PROT_WRITE

/** The mapping's number of pages and first page are looked at from now on. */
function look(player: CowPlayer, page: number, pages = player.regn): void {
  player.reg = page
  player.regn = pages
}

/** All steps for huge pages of `huge` pages (0 = the kernel has none). */
export function cowSteps(huge: number): CowStep[] {
  const steps: CowStep[] = []
  let section = ''
  const step: Add = (name, run, after = () => {}) => {
    steps.push({ section, name, run, after, begun: name.startsWith('parent: waited') })
  }
  step('warmup', () => {})
  step('empty step (overhead of measuring)', () => {})
  section = 'anon4k'
  anonSteps(step)
  section = 'fork4k'
  forkSteps(step, name => {
    section = name
  })
  section = 'forkbig'
  bigForkSteps(step)
  section = 'file'
  fileSteps(step)
  section = 'shmem'
  shmemSteps(step)
  section = 'stackbrk'
  stackSteps(step)
  section = 'thp'
  if (huge > 0) hugeSteps(step, huge)
  step('end', () => {})
  return steps
}

type Add = (name: string, run: (player: CowPlayer) => unknown, after?: (player: CowPlayer) => unknown) => void

function anonSteps(step: Add): void {
  step(
    'mmap 64 pages private anon',
    c => {
      c.noHuge(true)
      c.p = c.anon(64)
    },
    c => look(c, c.p, 8),
  )
  step('read pages 0..15 (zero page)', c => c.read(c.p, 0, 16))
  step('write pages 0..15 (COW from zero page)', c => c.write(c.p, 0, 16))
  step('write pages 16..31 (first touch)', c => c.write(c.p, 16, 32))
  step('write pages 0..31 again', c => c.write(c.p, 0, 32))
  step('madvise DONTNEED pages 0..15', c => c.advise(c.p, 16, 'DONTNEED'))
  step('read pages 0..3', c => c.read(c.p, 0, 4))
  step('write pages 0..15', c => c.write(c.p, 0, 16))
  step('mprotect READ all', c => c.protect(c.p, 64, F.PROT_READ))
  step('read pages 0..31', c => c.read(c.p, 0, 32))
  step('mprotect RW all', c => c.protect(c.p, 64, RW))
  step('write pages 0..31 after mprotect', c => c.write(c.p, 0, 32))
  step('mprotect NONE, then RW, pages 0..15', c => {
    c.protect(c.p, 16, F.PROT_NONE)
    c.protect(c.p, 16, RW)
  })
  step('write pages 0..15 after PROT_NONE', c => c.write(c.p, 0, 16))
  step(
    'mremap grow 64->128 MAYMOVE',
    c => {
      c.p = c.remap(c.p, 64, 128, F.MREMAP_MAYMOVE)
    },
    c => look(c, c.p),
  )
  step('write pages 0..31 after mremap', c => c.write(c.p, 0, 32))
  step(
    'mremap shrink 128->16',
    c => {
      c.p = c.remap(c.p, 128, 16, 0)
    },
    c => {
      c.q = c.anon(16)
    },
  )
  step(
    'mremap FIXED move over other mapping',
    c => {
      c.p = c.remap(c.p, 16, 16, F.MREMAP_MAYMOVE | F.MREMAP_FIXED, c.q)
    },
    c => look(c, c.p),
  )
  step('read pages 0..15 after move', c => c.read(c.p, 0, 16))
  step(
    'munmap',
    c => c.unmap(c.p, 16),
    c => look(c, -1),
  )
  step(
    'mmap 64 pages MAP_POPULATE',
    c => {
      c.p = c.anon(64, F.MAP_POPULATE)
    },
    c => look(c, c.p),
  )
  step('write all 64', c => c.write(c.p, 0, 64))
  step(
    'munmap ',
    c => c.unmap(c.p, 64),
    c => look(c, -1),
  )
  step(
    'mmap 64 pages',
    c => {
      c.p = c.anon(64)
    },
    c => look(c, c.p),
  )
  step('madvise POPULATE_READ 16', c => c.advise(c.p, 16, 'POPULATE_READ'))
  step('madvise POPULATE_WRITE 16', c => c.advise(c.p, 16, 'POPULATE_WRITE'))
  step('mlock pages 16..31', c => c.lock(c.p + 16, 16))
  step('munlock', c => c.unlock(c.p + 16, 16))
  step('madvise FREE pages 0..15', c => c.advise(c.p, 16, 'FREE'))
  step('read pages 0..7 after FREE', c => c.read(c.p, 0, 8))
  step('write pages 0..7 after FREE', c => c.write(c.p, 0, 8))
  step('madvise COLD pages 16..31', c => c.advise(c.p + 16, 16, 'COLD'))
  step('madvise PAGEOUT pages 0..31', c => c.advise(c.p, 32, 'PAGEOUT'))
  step('read pages 0..31 after PAGEOUT', c => c.read(c.p, 0, 32))
  step('write pages 0..31 after PAGEOUT', c => c.write(c.p, 0, 32))
  step(
    'munmap  ',
    c => c.unmap(c.p, 64),
    c => look(c, -1),
  )
}

function forkSteps(step: Add, enter: (section: string) => void): void {
  step(
    'mmap+write 32',
    c => {
      c.p = c.anon(32)
      c.write(c.p, 0, 32)
    },
    c => look(c, c.p),
  )
  step('fork (child waits)', c => c.forkWaiting(c.given.fork))
  step('parent reads 0..15', c => c.read(c.p, 0, 16))
  step('parent writes 0..7 while shared (copy)', c => c.write(c.p, 0, 8))
  step('child exits', c => c.exitAll())
  step(
    'parent writes 8..15 after child exit (reuse)',
    c => c.write(c.p, 8, 16),
    c => c.forkAndFollow(),
  )
  enter('fork4k-child')
  step('child: after fork', () => {})
  step('child: read 0..15', c => c.read(c.p, 0, 16))
  step('child: write 0..15 (copy)', c => c.write(c.p, 0, 16))
  step('child: DONTNEED 0..7', c => c.advise(c.p, 8, 'DONTNEED'))
  step('child: write 0..7', c => c.write(c.p, 0, 8))
  step(
    'child: write 16..31 (copy)',
    c => c.write(c.p, 16, 32),
    c => c.returnToParent(),
  )
  enter('fork4k')
  step('parent: waited for child', c => {
    c.exitAll()
    c.waited()
  })
  step('parent writes 0..15 (all exclusive again)', c => c.write(c.p, 0, 16))
  step('fork+child writes 0..7 and exits at once', c => {
    const child = c.fork(c.given.fork)
    c.as(child, () => c.write(c.p, 0, 8))
    c.exitAll()
  })
  step('two children alive', c => c.forkTwice())
  step('parent writes 0..7 with two children', c => c.write(c.p, 0, 8))
  step('children exit', c => c.exitAll())
  step('MADV_DONTFORK, fork', c => {
    c.advise(c.p, 32, 'DONTFORK')
    c.forkWaiting(c.given.fork)
  })
  step('parent writes 0..15 (not shared)', c => c.write(c.p, 0, 16))
  step('child exits ', c => c.exitAll())
  step(
    'munmap   ',
    c => c.unmap(c.p, 32),
    c => look(c, -1),
  )
}

function bigForkSteps(step: Add): void {
  step(
    'mmap+write 4096 pages',
    c => {
      c.p = c.anon(4096)
      c.write(c.p, 0, 4096)
    },
    c => look(c, c.p, 4),
  )
  step('fork+exit child, no access', c => {
    c.fork(c.given.fork)
    c.exitAll()
  })
  step('parent writes all 4096 (write-protect faults, reuse)', c => c.write(c.p, 0, 4096))
  step(
    'munmap    ',
    c => c.unmap(c.p, 4096),
    c => {
      look(c, -1, 8)
      c.createFile(256)
    },
  )
}

function fileSteps(step: Add): void {
  step(
    'mmap private file 256 pages',
    c => {
      c.p = c.map(256, RW, F.MAP_PRIVATE, c.file)
    },
    c => look(c, c.p),
  )
  step('read page 0 (fault-around)', c => c.read(c.p, 0, 1))
  step('read pages 1..15', c => c.read(c.p, 1, 16))
  step('read page 16', c => c.read(c.p, 16, 17))
  step('read all', c => c.read(c.p, 0, 256))
  step('write pages 0..15 (private COW of mapped file page)', c => c.write(c.p, 0, 16))
  step('write page 100', c => c.write(c.p, 100, 101))
  step('DONTNEED', c => c.advise(c.p, 256, 'DONTNEED'))
  step('write page 0 first (no read before)', c => c.write(c.p, 0, 1))
  step('munmap     ', c => c.unmap(c.p, 256))
  step(
    'mmap shared file 256 pages',
    c => {
      c.p = c.map(256, RW, F.MAP_SHARED, c.file)
    },
    c => look(c, c.p),
  )
  step('shared: write pages 0..15', c => c.write(c.p, 0, 16))
  step('shared: read all', c => c.read(c.p, 0, 256))
  step('shared: write all', c => c.write(c.p, 0, 256))
  step('msync', c => c.sync(256))
  step('shared: write 0..15 after msync', c => c.write(c.p, 0, 16))
  step(
    'munmap       ',
    c => c.unmap(c.p, 256),
    c => {
      look(c, -1)
      c.forget()
    },
  )
  step(
    'mmap shared file after fadvise DONTNEED',
    c => {
      c.p = c.map(256, F.PROT_READ, F.MAP_SHARED, c.file)
    },
    c => look(c, c.p),
  )
  step('read page 0', c => c.read(c.p, 0, 1))
  step('read page 128', c => c.read(c.p, 128, 129))
  step('read all ', c => c.read(c.p, 0, 256))
  step(
    'munmap        ',
    c => c.unmap(c.p, 256),
    c => {
      look(c, -1)
      c.closeFile()
    },
  )
}

function shmemSteps(step: Add): void {
  step(
    'mmap shared anon 64',
    c => {
      c.p = c.map(64, RW, F.MAP_SHARED | F.MAP_ANONYMOUS)
    },
    c => look(c, c.p),
  )
  step('read 0..15', c => c.read(c.p, 0, 16))
  step('write 0..31', c => c.write(c.p, 0, 32))
  step('fork, child writes 0..31', c => {
    const child = c.fork(c.given.fork)
    c.as(child, () => c.write(c.p, 0, 32))
    c.exitAll()
  })
  step('read 0..31', c => c.read(c.p, 0, 32))
  step('DONTNEED  ', c => c.advise(c.p, 64, 'DONTNEED'))
  step('read 0..31 again', c => c.read(c.p, 0, 32))
  step('madvise REMOVE 0..15', c => c.advise(c.p, 16, 'REMOVE'))
  step('read 0..15  ', c => c.read(c.p, 0, 16))
  step(
    'munmap         ',
    c => c.unmap(c.p, 64),
    c => {
      look(c, -1)
      c.createTmpfs(64)
    },
  )
  step(
    'mmap tmpfs file',
    c => {
      c.p = c.map(64, RW, F.MAP_PRIVATE, c.tmpfs)
    },
    c => look(c, c.p),
  )
  step('private tmpfs: read 0..15', c => c.read(c.p, 0, 16))
  step('private tmpfs: write 0..15', c => c.write(c.p, 0, 16))
  step(
    'munmap          ',
    c => c.unmap(c.p, 64),
    c => look(c, -1),
  )
}

function stackSteps(step: Add): void {
  const heap = 64 * 4096
  step(
    'brk +256K',
    c => {
      c.moveBrk(heap)
      c.writeQuiet()
    },
    c => look(c, Math.ceil((c.sys.mm.brk[c.mm]! - heap) / 4096)),
  )
  step('brk write 16', c => c.write(c.reg, 0, 16))
  step(
    'brk shrink',
    c => c.moveBrk(-heap),
    c => look(c, -1),
  )
  step('grow stack by 256K', c => c.growStack(64))
}

function hugeSteps(step: Add, n: number): void {
  let raw = 0
  step(
    'mmap 8 huge + align',
    c => {
      c.noHuge(false)
      raw = c.anon(9 * n)
      c.p = Math.ceil(raw / n) * n
      c.advise(c.p, 8 * n, 'HUGEPAGE')
    },
    c => look(c, c.p, 4),
  )
  step('read 1 byte (huge zero page)', c => c.read(c.p, 0, 1))
  step('read all of huge page 0', c => c.read(c.p, 0, n))
  step('write 1 byte (COW of huge zero)', c => c.write(c.p, 0, 1))
  step('write all of huge page 0', c => c.write(c.p, 0, n))
  step('write 1 byte in huge page 1 (first touch)', c => c.write(c.p + n, 0, 1))
  step('write 1 byte in huge pages 2..5', c => {
    for (let i = 2; i < 6; i++) c.write(c.p + i * n, 0, 1)
  })
  step('munmap upper half of huge page 5', c => c.unmap(c.p + 5 * n + n / 2, n / 2))
  step('DONTNEED 16 pages of huge page 4', c => c.advise(c.p + 4 * n, 16, 'DONTNEED'))
  step('write these 16 pages again', c => c.write(c.p + 4 * n, 0, 16))
  step('mprotect READ 1 page in huge page 3', c => c.protect(c.p + 3 * n, 1, F.PROT_READ))
  step('mprotect RW that page', c => c.protect(c.p + 3 * n, 1, RW))
  step('write huge page 3', c => c.write(c.p + 3 * n, 0, n))
  step('DONTNEED whole huge page 2', c => c.advise(c.p + 2 * n, n, 'DONTNEED'))
  step('write 1 byte in huge page 2', c => c.write(c.p + 2 * n, 0, 1))
  step('fork (child waits) ', c => c.forkWaiting(c.given.fork))
  step('parent writes 1 byte of shared huge page 0', c => c.write(c.p, 0, 1))
  step('parent writes 16 pages of shared huge page 0', c => c.write(c.p, 0, 16))
  step('parent writes all of huge page 0', c => c.write(c.p, 0, n))
  step('child exits  ', c => c.exitAll())
  step('parent writes all of huge page 1 after child exit', c => c.write(c.p + n, 0, n))
  step('MADV_NOHUGEPAGE on huge page 6, write 16 pages', c => {
    c.advise(c.p + 6 * n, n, 'NOHUGEPAGE')
    c.write(c.p + 6 * n, 0, 16)
  })
  step(
    'MADV_COLLAPSE huge page 6 (EINVAL before 6.1)',
    c => {
      c.advise(c.p + 6 * n, n, 'HUGEPAGE')
      c.advise(c.p + 6 * n, n, 'COLLAPSE')
      c.writeCollapsed()
    },
    c => look(c, c.p + 6 * n, 4),
  )
  step('look at huge page 6', () => {})
  step(
    'munmap all',
    c => c.unmap(raw, 9 * n),
    c => look(c, -1),
  )
}
