// What must be put right before the process ends, however it ends: by Ctrl-C, by a failure, by itself.
// Law: signals are taken over only while there is such an action, and the process still ends by them.

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const actions = new Set<() => void>()

function doAll(): void {
  for (const action of [...actions].reverse()) action()
  actions.clear()
}

let soften: (() => void) | null = null

/** The first signal that would end the process calls `action` instead; the next one ends it. Holds only while there is
 * something to put right. @returns forgets it */
export function onFirstSignal(action: () => void): () => void {
  soften = action
  return () => {
    soften = null
  }
}

function end(signal: NodeJS.Signals): void {
  const action = soften
  soften = null
  if (action) action()
  else {
    doAll()
    stopListening()
    process.kill(process.pid, signal)
  }
}

function stopListening(): void {
  process.removeListener('exit', doAll)
  for (const signal of SIGNALS) process.removeListener(signal, end)
}

/** Remembers an action; the last remembered is done first. The returned function forgets it. */
export function atEnd(action: () => void): () => void {
  if (actions.size === 0) {
    process.once('exit', doAll)
    for (const signal of SIGNALS) process.on(signal, end)
  }
  actions.add(action)
  return () => {
    if (actions.delete(action) && actions.size === 0) stopListening()
  }
}
