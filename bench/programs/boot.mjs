// Boots a machine of MEMORY (`1T`) in a fresh process: `node boot.mjs MEMORY`; prints { first, best, rss }: CPU
// milliseconds of the first boot and of the fastest of 20, and the peak memory of the process after the first, in MiB.
// Without MEMORY the process does nothing, with `none` it only loads the twin.
import { cpuSeconds } from '../workloads.mjs'

const memory = process.argv[2]
const result = { first: 0, best: 0, rss: 0 }
if (memory) {
  const { boot_from_description } = await import('../../dist/sim/boot_description.js')
  if (memory !== 'none') {
    const times = []
    for (let i = 0; i < 20; i++) {
      const start = cpuSeconds()
      boot_from_description({ memory, cpus: 64 })
      times.push((cpuSeconds() - start) * 1000)
      if (i === 0) result.rss = process.resourceUsage().maxRSS / 1024
    }
    result.first = times[0]
    result.best = Math.min(...times)
  }
}
result.rss ||= process.resourceUsage().maxRSS / 1024
console.log(JSON.stringify(result))
