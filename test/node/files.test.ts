// Machines, recordings and reports on disk: whole or one sentence.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadMachine } from '../../src/node/machine_file.ts'
import { verifyFiles } from '../../src/node/verify_files.ts'
import { writeWhole } from '../../src/node/write_file.ts'
import { describeShared, SHARED } from '../shared.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmtwin-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('files to verify', () => {
  it('are all below the folder, read when asked for, unpacked', () => {
    mkdirSync(join(folder, 'b/c'), { recursive: true })
    writeFileSync(join(folder, 'b/c/two'), gzipSync('packed'))
    writeFileSync(join(folder, 'a'), 'plain')
    const read: string[] = []
    const files = verifyFiles(folder, path => read.push(path))
    expect(files.map(({ path }) => path)).toEqual(['a', 'b/c/two'])
    expect(read).toEqual([])
    expect(files.map(file => file.text())).toEqual(['plain', 'packed'])
    expect(read).toEqual(['a', 'b/c/two'])
    rmSync(join(folder, 'a'))
    expect(() => files[0]!.text()).toThrow(/a: no such file or folder$/)
  })
})

describe('machine', () => {
  it('of choices alone, of a description, of both', () => {
    expect(loadMachine(undefined, {}).sys.machine.max_pfn[0]).toBe(2 ** 18)
    const path = join(folder, 'm.json')
    writeFileSync(path, '{ "memory": "64M", "cpus": 3 }')
    expect(loadMachine(path, {}).sys).toMatchObject({ nr_cpus: 3 })
    const both = loadMachine(path, { cpus: 1, kernel: '6.12-x86_64', seed: 7 }).sys
    expect([both.nr_cpus, both.kernel.name, both.machine.max_pfn[0]]).toEqual([1, '6.12-x86_64', 2 ** 14])
    expect(() => loadMachine(path, { kernel: 'x' })).toThrow(/m\.json: no kernel profile "x"; there are/)
    expect(() => loadMachine(folder, {})).toThrow(/no file of a snapshot in this folder/)
  })
})

describeShared('machine of captured files', () => {
  it('is the captured one, and takes no other memory', () => {
    const path = `${SHARED}/truth/stock/6.1.0-50-amd64/boot/m512M-s2/boot`
    const machine = loadMachine(path, {})
    expect(machine.proc('buddyinfo')).toBe(readFileSync(`${path}/buddyinfo`, 'utf8'))
    expect(() => loadMachine(path, { memory: '1G' })).toThrow(/boot: a captured machine has its own memory$/)
  })
})

describe('a written file', () => {
  it('is whole or not there', () => {
    const path = join(folder, 'report.html')
    writeWhole(path, 'first')
    writeWhole(path, 'second')
    expect(readFileSync(path, 'utf8')).toBe('second')
    mkdirSync(join(folder, 'taken'))
    expect(() => writeWhole(join(folder, 'taken'), 'x')).toThrow(/taken: a folder where a file was expected$/)
    expect(() => writeWhole(join(folder, 'none/x'), 'x')).toThrow(/x: no such file or folder$/)
    expect(readdirSync(folder).sort()).toEqual(['report.html', 'taken'])
  })
})
