// Two workers, each reading the whole trace, against one that reads it twice: prints { one, two }, the fastest of some
// runs by the clock on the wall, milliseconds.
import { readFileSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { FtraceTextReader } from '../../dist/trace/ftrace_text.js'

const RUNS = 6

function read(bytes) {
  const reader = new FtraceTextReader({ onBatch: () => {} })
  for (let at = 0; at < bytes.length; at += 1 << 22) reader.push(bytes.subarray(at, at + (1 << 22)))
  reader.end()
}

const answer = worker => new Promise(resolve => worker.once('message', resolve))

async function main(file) {
  const data = readFileSync(file)
  const shared = new Uint8Array(new SharedArrayBuffer(data.length))
  shared.set(data)
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url), { workerData: shared }))
  const ask = async (worker, times) => {
    worker.postMessage(times)
    await answer(worker)
  }
  await Promise.all(workers.map(worker => ask(worker, 2)))
  let one = Infinity
  let two = Infinity
  for (let i = 0; i < RUNS; i++) {
    const start = performance.now()
    await ask(workers[0], 2)
    const middle = performance.now()
    await Promise.all(workers.map(worker => ask(worker, 1)))
    one = Math.min(one, middle - start)
    two = Math.min(two, performance.now() - middle)
  }
  await Promise.all(workers.map(worker => worker.terminate()))
  console.log(JSON.stringify({ one, two }))
}

if (isMainThread) await main(process.argv[2])
else
  parentPort.on('message', times => {
    for (let i = 0; i < times; i++) read(workerData)
    parentPort.postMessage('done')
  })
