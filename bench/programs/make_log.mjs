// make_log FILE MEGABYTES: a kernel log with 200 recorded reports between lines of other programs.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

const [, , path, megabytes] = process.argv
const REPORTS = 200
const golden = '../../test/golden/explain/truth/stock/6.1.0-50-amd64/fail/oom-kill-allocating-task/report.txt'
const report = readFileSync(new URL(golden, import.meta.url))
const OTHERS = [
  'systemd[1]: Started Session of user root.',
  'kernel: usb 1-1: new high-speed USB device number 4 using xhci_hcd',
  'sshd[2211]: Accepted publickey for admin from 192.0.2.7 port 52211 ssh2',
  'NetworkManager[712]: <info>  device (eth0): state change: config -> ip-config',
  'kernel: audit: type=1400 apparmor="ALLOWED" operation="open" profile="snap" pid=2201 comm="memory"',
  'postfix/smtpd[8812]: connect from unknown[192.0.2.7]',
  'kernel: EXT4-fs (sda1): mounted filesystem with ordered data mode.',
]

let seed = 1
let line = 0
let bytes = 0
const fd = openSync(path, 'w')
for (let part = 0; part < REPORTS; part++) {
  const lines = []
  for (let size = 0; size < (megabytes * 1e6) / REPORTS - report.length; size += lines.at(-1).length) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    lines.push(`Nov 25 11:${10 + (line % 50)}:${10 + (line++ % 49)} host ${OTHERS[seed % OTHERS.length]} ${seed}\n`)
  }
  for (const piece of [lines.join(''), report]) bytes += writeSync(fd, piece)
}
closeSync(fd)
console.log(JSON.stringify({ bytes, reports: REPORTS }))
