// Faults and accesses of one process, through the walker: prints { ns, perPage, sum }. Arguments: what ("fault" = first writes
// to anonymous pages with their unmapping, "walk" and "random" = writes to pages that are there), the compiled twin's folder.
// A third argument is a file: the machine's image before the accesses goes there, for C; prints { pgd, page, pages, stride }.
import { pathToFileURL } from 'node:url'
import { writeImage } from '../c_layout.mjs'
import { imageHash } from '../machine.mjs'

const [what, dist, file] = process.argv.slice(2)
const load = path => import(pathToFileURL(`${dist}/${path}`).href)
const { boot_from_description } = await load('sim/boot.js')
const { setup_address_space } = await load('arch/x86/setup_address_space.js')
const { vm_init } = await load('mm/vm_init.js')
const { task_alloc, mm_alloc, switch_to } = await load('mm/fork.js')
const { do_mmap } = await load('mm/mmap.js')
const { do_madvise } = await load('mm/madvise.js')
const { access_loop } = await load('mm/access.js')

const PAGES = 16384
const STRIDE = what === 'random' ? 7919 : 1
const ROUNDS = what === 'fault' ? 60 : 200
const sys = boot_from_description({ memory: '1G' }, { processes: { nr_tasks: 4 } })
setup_address_space(sys)
vm_init(sys)
sys.vm_state.thp_enabled[0] = 0
const task = task_alloc(sys, 'bench')
const mm = mm_alloc(sys, task)
sys.task.mm[task] = mm
switch_to(sys, task)
const page = do_mmap(sys, mm, { pages: PAGES, prot: 3, flags: 0x22 })
const order = Int32Array.from({ length: PAGES }, (_, i) => (i * STRIDE) % PAGES)
if (what !== 'fault') access_loop(sys, page, order, null, 1, 0, PAGES)
if (file) {
  writeImage(sys, file)
  console.log(JSON.stringify({ pgd: sys.mm.pgd[mm] - 1, page, pages: PAGES, stride: STRIDE }))
  process.exit()
}
let best = Infinity
for (let round = 0; round < ROUNDS; round++) {
  const before = process.cpuUsage()
  const done = access_loop(sys, page, order, null, 1, 0, PAGES)
  const { user, system } = process.cpuUsage(before)
  if (done !== PAGES) throw new Error(`stopped after ${done} accesses`)
  if (round > 4) best = Math.min(best, ((user + system) * 1000) / PAGES)
  if (what === 'fault') do_madvise(sys, mm, page, PAGES, 4)
}
if (what === 'fault' && sys.task.min_flt[task] !== PAGES * ROUNDS) throw new Error('not every access faulted')
const perPage = 31 + 8 + sys.kernel.pgtable.entry_bytes
console.log(JSON.stringify({ ns: best, perPage, sum: imageHash(sys) }))
