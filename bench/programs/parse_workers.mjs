// Two workers, each reading the whole trace, against one that reads it twice: prints { one, two }, the fastest of some
// runs by the clock on the wall, milliseconds. { plainOne, plainTwo } are the same for arithmetic on one number, which
// nothing but a second core can speed up: what this machine has to give at that moment.
import { readFileSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { FtraceTextReader } from '../../dist/trace/ftrace_text.js'

const RUNS = 6

function read(bytes) {
  const reader = new FtraceTextReader({ onBatch: () => {} })
  for (let at = 0; at < bytes.length; at += 1 << 22) reader.push(bytes.subarray(at, at + (1 << 22)))
  return reader.end().events
}

/** Arithmetic that takes about as long as a reading. */
function count() {
  let x = 1
  for (let i = 0; i < 3e7; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
  }
  return x
}

const answer = worker => new Promise(resolve => worker.once('message', resolve))

async function main(file) {
  const data = readFileSync(file)
  const shared = new Uint8Array(new SharedArrayBuffer(data.length))
  shared.set(data)
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url), { workerData: shared }))
  const ask = async (worker, work, times) => {
    worker.postMessage({ work, times })
    await answer(worker)
  }
  const best = { one: Infinity, two: Infinity, plainOne: Infinity, plainTwo: Infinity }
  for (const [work, one, two] of [
    ['read', 'one', 'two'],
    ['count', 'plainOne', 'plainTwo'],
  ]) {
    await Promise.all(workers.map(worker => ask(worker, work, 2)))
    for (let i = 0; i < RUNS; i++) {
      const start = performance.now()
      await ask(workers[0], work, 2)
      const middle = performance.now()
      await Promise.all(workers.map(worker => ask(worker, work, 1)))
      best[one] = Math.min(best[one], middle - start)
      best[two] = Math.min(best[two], performance.now() - middle)
    }
  }
  await Promise.all(workers.map(worker => worker.terminate()))
  console.log(JSON.stringify(best))
}

if (isMainThread) await main(process.argv[2])
else
  parentPort.on('message', ({ work, times }) => {
    let last = 0
    for (let i = 0; i < times; i++) last = work === 'read' ? read(workerData) : count()
    parentPort.postMessage(last)
  })
