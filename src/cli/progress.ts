// A progress bar on stderr, on a terminal only, and only for what takes longer than a moment.
import type { SingleBar } from 'cli-progress'

/** What a long action tells while it works. */
export interface Progress {
  /** `done` of `total` units; `label` says what is being done. */
  update(done: number, total: number, label?: string): void
  /** Removes the bar. */
  stop(): void
}

const SILENT: Progress = { update: () => {}, stop: () => {} }
/** Milliseconds until a bar appears. */
const MOMENT = 500

/** A bar for an action that begins now; silent where stderr is no terminal. */
export async function startProgress(title: string): Promise<Progress> {
  if (!process.stderr.isTTY) return SILENT
  const { default: library } = await import('cli-progress')
  const columns = process.stderr.columns ?? 80
  const bar = new library.SingleBar(
    {
      format: `${title} {bar} {percentage}% {label}`,
      barsize: Math.max(8, Math.min(32, columns - title.length - 24)),
      stream: process.stderr,
      clearOnComplete: true,
      linewrap: true,
      hideCursor: null as unknown as boolean,
    },
    library.Presets.shades_classic,
  )
  return barProgress(bar, columns - title.length - 46)
}

function barProgress(bar: SingleBar, room: number): Progress {
  const begun = performance.now()
  let shown = false
  return {
    update(done, total, label = '') {
      if (!shown && performance.now() - begun < MOMENT) return
      const payload = { label: room > 8 ? label.slice(-room) : '' }
      if (!shown) bar.start(total, done, payload)
      else bar.update(done, payload)
      shown = true
    },
    stop() {
      if (shown) bar.stop()
    },
  }
}
