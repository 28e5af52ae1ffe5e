// What is published: entry points, public names, the tarball, the lock file; and that every function of the kernel
// rooms says where it comes from.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { beforeAll, describe, expect, it } from 'vitest'
import { declarations, kernelTags } from '../src/sim/where.ts'
import { projectFiles, ROOT, readText } from './sources.ts'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly bin: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readText('package.json')) as Manifest

describe('the package as built', () => {
  const packed: string[] = []

  beforeAll(() => {
    if (!existsSync(`${ROOT}dist/where.json`)) throw new Error('dist is not there: run `npm run build` first')
    const pack = ['pack', '--dry-run', '--json', '--ignore-scripts']
    const text = execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    const [tarball] = JSON.parse(text) as [{ files: { path: string }[] }]
    packed.push(...tarball.files.map(file => file.path).sort())
  })

  it('every entry point and command is in the tarball', () => {
    const conditions = Object.values(manifest.exports).flatMap(entry =>
      typeof entry === 'string' ? [entry] : Object.values(entry),
    )
    const targets = [...conditions, ...Object.values(manifest.bin)].map(path => path.replace(/^\.\//, ''))
    expect(targets.filter(path => !packed.includes(path))).toEqual([])
  })

  it('types come first in every entry point', () => {
    for (const entry of Object.values(manifest.exports))
      if (typeof entry === 'object') expect(Object.keys(entry)[0]).toBe('types')
  })

  it('the tarball holds what is used, and nothing else', () => {
    const allowed = /^(dist\/|data\/|examples\/|(README|CHANGELOG|ARCHITECTURE)\.md$|LICENSE$|package\.json$)/
    expect(packed.filter(path => !allowed.test(path))).toEqual([])
    const sources = packed.filter(path => !path.startsWith('examples/'))
    expect(sources.filter(path => /(?<!\.d)\.ts$|\.test\.|tsbuildinfo/.test(path))).toEqual([])
    for (const path of ['LICENSE', 'README.md', 'CHANGELOG.md', 'ARCHITECTURE.md', 'dist/where.json'])
      expect(packed).toContain(path)
  })

  it('the command starts with a line for the shell', () => {
    for (const path of Object.values(manifest.bin)) expect(readText(path)).toMatch(/^#!\/usr\/bin\/env node\n/)
  })

  it('publint finds nothing', async () => {
    const { messages, pkg } = await publint({ pkgDir: ROOT, pack: 'npm', strict: true })
    expect(messages.map(message => formatMessage(message, pkg, { color: false }))).toEqual([])
  })

  it('public names are those that were agreed', async () => {
    for (const [entry, file] of [
      ['.', 'index'],
      ['./node', 'node'],
    ] as const) {
      const target = (manifest.exports[entry] as Record<string, string>).default!
      const names = Object.keys((await import(`${ROOT}${target}`)) as object).sort()
      await expect(`${names.join('\n')}\n`).toMatchFileSnapshot(`golden/package/${file}.names`)
    }
  })
})

describe('dependencies', () => {
  it('have exact versions', () => {
    const all = { ...manifest.dependencies, ...manifest.devDependencies }
    expect(Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([])
  })

  it('the lock file names no host to fetch from, and agrees with the manifest', () => {
    const lock = JSON.parse(readText('package-lock.json')) as { packages: Record<string, Record<string, unknown>> }
    expect(Object.entries(lock.packages).filter(([, entry]) => 'resolved' in entry)).toEqual([])
    const { version, dependencies, devDependencies } = lock.packages['']!
    expect({ version, dependencies, devDependencies }).toEqual({
      version: manifest.version,
      dependencies: manifest.dependencies,
      devDependencies: manifest.devDependencies,
    })
  })
})

describe('sources', () => {
  it('every exported function of the kernel rooms says where it comes from: @kernel, or @ours', () => {
    const untold = projectFiles('src')
      .filter(path => /^src\/(mm|arch|kernels)\/.*\.ts$/.test(path))
      .flatMap(path => {
        const functions = declarations(readText(path)).filter(({ kind, exported }) => kind === 'function' && exported)
        const silent = functions.filter(({ doc }) => kernelTags(doc).length === 0 && !/@ours\b/.test(doc))
        return silent.map(({ name, line }) => `${path}:${line} ${name}`)
      })
    expect(untold).toEqual([])
  })

  it('no file knows the machine it was written on', () => {
    const own = /(?<![\w.$-])\/(?:home\/\w|root\/|work\/|Users\/\w|tmp\/\w)/
    const recorded = /^(test\/golden|data)\//
    const faults = projectFiles()
      .filter(
        path => !recorded.test(path) && path !== 'test/package.test.ts' && /\.(ts|mjs|md|json|c|sh)$|\/run$/.test(path),
      )
      .flatMap(path => {
        const lines = readText(path).split('\n')
        return lines.flatMap((line, index) => (own.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : []))
      })
    expect(faults).toEqual([])
  })
})
