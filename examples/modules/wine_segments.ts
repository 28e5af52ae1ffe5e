// A program of 16-bit Windows under WINE: it wants segments of 64 KiB with a base of their own, which Linux gives a
// process by modify_ldt. A selector names an entry; what goes wrong with it is one of three faults, with an error code.
import type { ModuleKernel } from 'mmtwin'

/** The machine that `mmtwin run` boots unless told otherwise. */
export const machine = { kernel: '6.1-i386', memory: '64M' }

const WRITE_LDT = 0x11
const DATA = 0
const CODE = 2

/** Selector of an LDT entry, as a user program asks for it. */
const ldt = (entry: number): number => entry * 8 + 7

type Answer = ReturnType<ModuleKernel['linear_address'] | ModuleKernel['loadsegment']>

function say(k: ModuleKernel, what: string, answer: Answer): void {
  if (answer === null) k.pr_info(`${what}: loaded`)
  else if ('fault' in answer) k.pr_info(`${what}: ${answer.fault}, error code 0x${answer.error_code.toString(16)}`)
  else k.pr_info(`${what}: linear ${answer}`)
}

export function init(k: ModuleKernel): number {
  if (k.BITS_PER_LONG === 64) {
    k.pr_info('64-bit code ignores base and limit: run this on a 32-bit kernel')
    return 0
  }
  const segment = (entry_number: number, base_addr: number, more: object = {}): number =>
    k.modify_ldt(WRITE_LDT, { entry_number, base_addr, limit: 0xffff, contents: DATA, useable: 1, ...more })
  const answers = [
    segment(0, 0x10000, { contents: CODE }),
    segment(1, 0x20000),
    segment(2, 0x30000, { limit: 0x0fff }),
    // Windows threw a segment out of memory and waits for the fault to bring it back.
    segment(3, 0x40000, { seg_not_present: 1 }),
    segment(8192, 0x50000),
  ]
  k.pr_info(`modify_ldt: ${answers.join(', ')}; the LDT has ${k.read_ldt().length} entries`)

  k.return_to_user(ldt(0), ldt(2))
  k.pr_info(`user code runs with privilege ${k.current_privilege_level()}`)
  say(k, 'ds = data', k.loadsegment('ds', ldt(1)))
  say(k, 'ds:1234', k.linear_address('ds', 0x1234, 2, 'write'))
  say(k, 'ds:ffff, two bytes', k.linear_address('ds', 0xffff, 2, 'read'))
  say(k, 'write to cs:0', k.linear_address('cs', 0, 2, 'write'))
  say(k, 'write behind the end of ss', k.linear_address('ss', 0x1000, 2, 'write'))
  say(k, 'es = what is not present', k.loadsegment('es', ldt(3)))
  say(k, 'es = no entry', k.loadsegment('es', ldt(4)))
  say(k, 'ds = the data of the kernel', k.loadsegment('ds', k.__KERNEL_DS))
  say(k, 'ds:1234 as before', k.linear_address('ds', 0x1234, 2, 'write'))
  k.enter_kernel()
  return 0
}
