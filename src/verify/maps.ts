// /proc/self/maps of the first process of each boot. Given: the program's segments (the rows of its file), how much heap it asked
// for, what it made read-only itself, and where chance put its stack and the kernel's own pages. Compared: every line: what exec
// maps where, in which order, with which protection, what merges, what things are called, and the layout of the text.
import { setup_address_space } from '../arch/x86/setup_address_space.ts'
import { brk } from '../mm/brk.ts'
import { do_execve, new_program } from '../mm/exec.ts'
import { switch_to, task_alloc } from '../mm/fork.ts'
import type { Kernel } from '../mm/kernel.ts'
import { do_mprotect } from '../mm/mprotect.ts'
import * as F from '../mm/vm_flags.ts'
import { vm_init } from '../mm/vm_init.ts'
import { boot_from_description } from '../sim/boot.ts'
import { mapsText } from '../sim/process_files.ts'
import { bootFolders, readBootFolder } from './boot_folder.ts'
import { type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

/** Kind `maps` of `mmtwin verify`. */
export const mapsKind: VerifyKind = {
  kind: 'maps',
  run(files) {
    const counts = tally('maps')
    const folders = bootFolders(files)
    for (const file of files.filter(({ path }) => /(^|\/)init_maps(\.gz)?$/.test(path))) {
      counts.file(file.path)
      const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1)
      const boot = folders.find(({ path }) => path === folder)
      if (boot) verifyFile(file, readBootFolder(boot).kernel, counts)
      else counts.check(1, 'a boot folder beside it', 'none')
    }
    return counts.result()
  },
}

interface Area {
  readonly start: number
  readonly end: number
  readonly prot: string
  readonly pgoff: number
  readonly ino: number
  readonly name: string
}

const LINE = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ (\d+) +(\S+)?$/

function areaOf(line: string): Area | null {
  const found = LINE.exec(line)
  if (!found) return null
  const [, start, end, prot, offset, ino, name = ''] = found
  const page = (text: string | undefined): number => Number.parseInt(text ?? '0', 16) / 4096
  return { start: page(start), end: page(end), prot: prot!, pgoff: page(offset), ino: Number(ino), name }
}

function verifyFile(file: VerifyFile, kernel: Kernel, counts: Tally): void {
  const lines = file.text().split('\n').slice(0, -1)
  const areas = lines.map(areaOf).filter(area => area !== null)
  let got: string[]
  try {
    got = mapsOf(kernel, areas)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    got = [error.message]
  }
  for (let i = 0; i < Math.max(lines.length, got.length); i++) counts.check(i + 1, lines[i] ?? 'none', got[i] ?? 'none')
}

const sizeOf = (areas: readonly Area[]): number => areas.reduce((sum, { start, end }) => sum + end - start, 0)

/** The process of the model, after the same calls. */
function mapsOf(kernel: Kernel, areas: readonly Area[]): string[] {
  const own = areas.filter(({ ino }) => ino !== 0)
  const text = own.findIndex(({ prot }) => prot.startsWith('r-x'))
  const heap = areas.filter(({ name, ino }) => name === '[heap]' && ino === 0)
  const [stack, vvar] = [areas.find(({ name }) => name === '[stack]'), areas.find(({ name }) => name === '[vvar]')]
  // Behind the code come constants; where data begins, the file's pages begin anew or go on.
  const data = own.slice(text + 2)
  if (text < 0 || data.length === 0 || !stack || !vvar)
    throw new RangeError('no rows of a program, its stack and the vdso')
  const sys = boot_from_description({ memory: '64M' }, { kernel, shared: false, processes: { nr_tasks: 4 } })
  setup_address_space(sys)
  vm_init(sys)
  const inode = new_program(sys, F.INODE_SHMEM, own[0]!.name, {
    base: own[0]!.start,
    headers: sizeOf(own.slice(0, text)),
    text: sizeOf([own[text]!]),
    rodata: sizeOf([own[text + 1]!]),
    data: sizeOf(data),
    bss: sizeOf(heap.slice(0, 1)),
    data_pgoff: data[0]!.pgoff,
  })
  sys.inode.ino[inode] = own[0]!.ino
  const task = task_alloc(sys, 'init')
  switch_to(sys, task)
  const error = do_execve(sys, task, inode, [own[0]!.name], { stack_top: stack.end, vdso: vvar.start })
  if (error !== 0) throw new RangeError(`exec failed with ${error}`)
  const mm = sys.task.mm[task]!
  for (const { start, end, prot } of data) if (prot[1] === '-') do_mprotect(sys, mm, start, end - start, F.PROT_READ)
  brk(sys, mm, sys.mm.brk[mm]! + sizeOf(heap.slice(1)) * sys.page_bytes)
  return mapsText(sys, mm).split('\n').slice(0, -1)
}
