// A recording's trace.dat and its text are the same events: both replay to the same report.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { replayTrace } from '../../src/node/replay_files.ts'
import { describeShared, SHARED } from '../shared.ts'

describeShared('trace.dat', () => {
  const stock = join(SHARED ?? '', 'truth/stock')
  const traces = SHARED
    ? readdirSync(stock, { recursive: true, encoding: 'utf8' }).filter(path => /\/trace\.dat(\.gz)?$/.test(path))
    : []

  it.each(traces)('%s replays as its text does', async trace => {
    const binary = await replayTrace(join(stock, trace))
    const text = await replayTrace(join(stock, trace.replace(/trace\.dat(\.gz)?$/, 'trace.txt.gz')))
    expect(binary.events).toBe(text.events)
    expect(binary.follow).toEqual(text.follow)
    expect(binary.predict).toEqual(text.predict)
    expect(binary.orders).toEqual(text.orders)
    expect(binary.drained).toEqual(text.drained)
  })
})
