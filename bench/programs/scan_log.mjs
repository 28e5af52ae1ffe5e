// scan_log FILE: CPU time of finding the parts of a log that may hold reports, and peak memory in MiB.
import { closeSync, openSync, readSync } from 'node:fs'
import { LogScan } from '../../dist/node/log_scan.js'

let parts = 0
const start = process.cpuUsage()
const scan = new LogScan(() => parts++)
const piece = new Uint8Array(1 << 20)
const fd = openSync(process.argv[2], 'r')
for (let bytes = readSync(fd, piece); bytes > 0; bytes = readSync(fd, piece)) scan.take(piece.subarray(0, bytes))
scan.end()
closeSync(fd)
const { user, system } = process.cpuUsage(start)
const memory = process.resourceUsage().maxRSS / 1024
console.log(JSON.stringify({ ns: 1e3 * (user + system), sum: parts, memory }))
