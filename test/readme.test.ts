// What the README promises: its library example runs as it stands, its commands are there.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { Machine, Timeline } from '../src/index.ts'
import { mmtwin } from './cli/run_cli.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const exported: Readonly<Record<string, unknown>> = { Machine, Timeline }
const readme = readFileSync(`${root}README.md`, 'utf8')

describe('README', () => {
  it('has a library example of some ten lines that runs', () => {
    const [, example] = /```ts\n([\s\S]*?)```/.exec(readme)!
    const [, names] = /^import \{ ([\w, ]+) \} from 'mmtwin'\n/.exec(example!)!
    const printed: unknown[][] = []
    const body = example!.slice(example!.indexOf('\n'))
    const given = Object.fromEntries(names!.split(', ').map(name => [name, exported[name]]))
    expect(Object.values(given)).not.toContain(undefined)
    runInNewContext(body, { ...given, console: { log: (...values: unknown[]) => printed.push(values) } })
    const [[fallback], [zoneinfo], [hash, broken]] = printed as [string[], string[], [string, string[]]]
    expect(fallback).toBe('a fallback mixes types at')
    expect(zoneinfo).toMatch(/^Node 0, zone {6}DMA\n/)
    expect(hash).toMatch(/^[0-9a-f]{16}$/)
    expect(broken).toEqual([])
    expect(example!.trim().split('\n').length).toBeLessThanOrEqual(12)
  })

  it('names the commands that there are', () => {
    for (const [, command] of readme.matchAll(/`npx mmtwin (\w+)/g)) expect(mmtwin([command!, '--help']).code).toBe(0)
  })

  it('names scripts of package.json, and files that are there', () => {
    const { scripts } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { scripts: Record<string, string> }
    for (const [, script] of readme.matchAll(/npm run ([\w:]+)/g)) expect(scripts).toHaveProperty(script!)
    for (const [, path] of readme.matchAll(/\]\((?!http)([\w./-]+)\)/g))
      expect(readFileSync(root + path!)).toBeDefined()
  })
})
