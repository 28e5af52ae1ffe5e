// The shell's words for swap, on true files: areas are made, begun, ended; what is wrong with a file is one sentence and
// status 2; a file that is spoilt while it is in use costs its own pages only; going back and forth comes to equal states.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { write_swap_header } from '../../../src/mm/swap_header.ts'
import { swapFiles } from '../../../src/node/swap_file.ts'
import { Machine } from '../../../src/sim/machine.ts'
import { completeLine, openShell, type Session } from '../../../src/sim/shell/shell.ts'

let folder: string
let number = 0

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmtwin-test-swap-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const fresh = (): string => join(folder, `swap${number++}`)

function open(kernel = '6.1-x86_64', memory = '32M'): Session {
  const processes = { nr_tasks: 8, nr_swap_slots: 2 ** 15 }
  return openShell(Machine.boot({ kernel, memory }, { processes }), { swap: swapFiles })
}

/** The text of a line that must succeed. */
function done(session: Session, line: string): string {
  const { text, error } = session.run(line)
  expect(error).toBeNull()
  return text
}

/** A process that has written more text than memory holds; where it lies. */
function hog(session: Session, pages = 8000, content = 'text'): string {
  done(session, 'thp never; spawn hog')
  const address = done(session, `mmap ${pages}`).trim()
  done(session, `fill ${address} ${pages} ${content}`)
  return address
}

/** Pages that are free now. */
const free = (session: Session): number => Number(/MemFree: +(\d+)/.exec(done(session, 'cat meminfo'))![1]) / 4

const used = (session: Session): number => session.machine.sys.swap_info.inuse_pages[0]!

/** 0x… + pages. */
const page = (address: string, index: number): string => `${address}+${index}`

describe('mkswap and swapon', () => {
  it('make a sparse file and use it, and show it', () => {
    const [session, file] = [open(), fresh()]
    const uuid = '01234567-89ab-4cde-8f01-23456789abcd'
    expect(done(session, `mkswap ${file} 64M label=two uuid=${uuid}`)).toBe(
      `Setting up swapspace version 1, size = 65532 KiB (67104768 bytes)\nLABEL=two, UUID=${uuid}\n`,
    )
    const { size, blocks } = statSync(file)
    expect([size, blocks * 512 < 2 ** 20]).toEqual([64 * 2 ** 20, true])
    const head = readFileSync(file).subarray(0, 4096)
    expect(head.subarray(4086).toString()).toBe('SWAPSPACE2')
    expect(head.subarray(1052, 1055).toString()).toBe('two')
    expect([head.readUInt32LE(1024), head.readUInt32LE(1028)]).toEqual([1, 16383])
    expect(done(session, `swapon -p 7 ${file}`)).toBe(
      `Adding 65532k swap on ${file}.  Priority:7 extents:1 across:65532k SS\n`,
    )
    expect(done(session, 'cat swaps')).toBe(
      `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${file.padEnd(40)}${file.length >= 40 ? ' ' : ''}partition\t65532\t\t0\t\t7\n`,
    )
    expect(done(session, 'swapon')).toBe(done(session, 'cat swaps'))
    expect(done(session, 'cat meminfo')).toMatch(/SwapTotal: +65532 kB\nSwapFree: +65532 kB\n/)
    expect(completeLine(session, 'swapoff /')).toEqual([[file], '/'])
    expect(completeLine(session, 'fill x 1 te')[0]).toEqual(['text'])
    done(session, `swapoff ${file}; check`)
    expect(done(session, 'swapon -s')).toBe('Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n')
  })

  it('fill areas of one priority in turns, those of a lower one afterwards', () => {
    const session = open()
    const files = [fresh(), fresh(), fresh()]
    for (const [i, file] of files.entries()) done(session, `mkswap ${file} 4M; swapon -p ${i === 2 ? 1 : 5} ${file}`)
    hog(session, free(session) + 2300)
    const [a, b, c] = session.machine.sys.swap_info.inuse_pages
    // 1023 slots each: the first two are full together, the third takes the rest.
    expect([a, b]).toEqual([1023, 1023])
    expect(c).toBeGreaterThan(0)
    expect(done(session, 'check')).toBe('all laws hold\n')
  })

  it('leave bad pages alone', () => {
    const [session, file] = [open(), fresh()]
    done(session, `mkswap ${file} 8M bad=1,2,3,1000; swapon ${file}`)
    hog(session, 7000)
    const bytes = readFileSync(file)
    for (const bad of [1, 2, 3, 1000])
      expect(bytes.subarray(bad * 4096, (bad + 1) * 4096).every(byte => byte === 0)).toBe(true)
    expect(done(session, 'check')).toBe('all laws hold\n')
  })
})

describe('what is no swap area', () => {
  const header = (pages: number): Uint8Array => write_swap_header(4096, pages)
  const file = (bytes: Uint8Array, pages: number): Uint8Array => {
    const all = new Uint8Array(4096 * pages)
    all.set(bytes)
    return all
  }
  const changed = (at: number, value: number): Uint8Array => {
    const page = header(100)
    new DataView(page.buffer).setUint32(at, value, true)
    return file(page, 100)
  }
  const wide = (): Uint8Array => {
    const bytes = new Uint8Array(8192 * 100)
    bytes.set(write_swap_header(8192, 100))
    return bytes
  }
  const cases: [string, () => Uint8Array | null, RegExp][] = [
    ['a file that is missing', () => null, /no such file or folder$/],
    ['an empty file', () => new Uint8Array(0), /the kernel refuses it: Unable to find swap-space signature$/],
    ['text', () => new Uint8Array(5000).fill(65), /Unable to find swap-space signature$/],
    ['another version', () => changed(1024, 3), /Unable to handle swap header version 3$/],
    ['another page size', wide, /for pages of 8192 bytes, this machine has pages of 4096: mkswap it anew$/],
    ['a cut file', () => file(header(100), 99), /Swap area shorter than signature indicates$/],
    ['no slot', () => changed(1028, 0), /Empty swap-file$/],
    ['too many bad pages', () => changed(1032, 638), /the kernel refuses it \(EINVAL\)$/],
    ['a bad page outside', () => changed(1032, 1), /the kernel refuses it \(EINVAL\)$/],
    ['more slots than there is room for', () => changed(1028, 40000), /Swap area shorter than signature indicates$/],
  ]
  it.each(cases)('%s', (_, content, sentence) => {
    const [session, path] = [open(), fresh()]
    const bytes = content()
    if (bytes !== null) writeFileSync(path, bytes)
    const { status, error } = session.run(`swapon ${path}`)
    expect(error).toMatch(sentence)
    expect(error).toContain(path)
    expect([status, error!.split('\n').length]).toEqual([2, 1])
    expect(done(session, 'check')).toBe('all laws hold\n')
    expect(done(session, 'swapon -s').split('\n').length).toBe(2)
  })

  it('an area of a machine with the other byte order is read, as the kernel reads it', () => {
    const [session, path] = [open(), fresh()]
    const page = header(100)
    const words = new DataView(page.buffer)
    words.setUint32(1024, 1, false)
    words.setUint32(1028, 99, false)
    writeFileSync(path, file(page, 100))
    expect(done(session, `swapon ${path}`)).toContain('Adding 396k swap')
  })

  it('mkswap refuses what it cannot do, and what it should not', () => {
    const [session, path] = [open(), fresh()]
    const refused = (line: string): string | null => {
      const { status, error } = session.run(line)
      expect(status).toBe(2)
      return error
    }
    expect(refused(`mkswap ${path}`)).toMatch(/no such file or folder$/)
    expect(refused(`mkswap ${path} 20K`)).toMatch(/swap area needs to be at least 40 KiB$/)
    expect(refused(`mkswap ${path} 5x`)).toMatch(/"5x" is no size/)
    expect(refused(`mkswap ${path} 1M bad=256`)).toMatch(/bad page 256: the area has pages 1 to 255$/)
    expect(refused(`mkswap ${path} 1M label=${'x'.repeat(16)}`)).toMatch(/at most 15 printable/)
    expect(refused(`mkswap ${path} 1M uuid=12`)).toMatch(/"12" is no UUID$/)
    expect(refused(`mkswap ${folder}`)).toMatch(/a folder where a file was expected|not a file/)
    expect(existsSync(path)).toBe(false)
    writeFileSync(path, 'precious'.repeat(10000))
    expect(refused(`mkswap ${path}`)).toMatch(/holds something that is no swap area: add force/)
    expect(readFileSync(path, 'utf8')).toBe('precious'.repeat(10000))
    done(session, `mkswap ${path} force; swapon ${path}`)
    expect(refused(`mkswap ${path}`)).toMatch(/is a swap area in use$/)
    expect(refused(`swapon ${path}`)).toMatch(/it is in use already$/)
    expect(refused('swapon -p 99999 x')).toMatch(/no such file/)
    expect(refused(`swapon -p 99999 ${path}`)).toMatch(/prio 99999 is not a whole number from 0 to 32767/)
    expect(refused(`swapoff ${folder}`)).toMatch(/it is no swap area in use$/)
  })
})

describe('a file that is spoilt while it is in use', () => {
  it('cut: who needs a page behind its end gets SIGBUS, everything else goes on', () => {
    const [session, file] = [open(), fresh()]
    done(session, `mkswap ${file} 32M; swapon ${file}`)
    const address = hog(session)
    // Memory for what comes back, so that nothing must be written.
    done(session, `munmap ${page(address, 4000)} 4000; tick 100`)
    const { sys } = session.machine
    truncateSync(file, 1000 * 4096)
    let lost = 0
    for (let i = 0; i < 4000; i++) {
      const { error } = session.run(`read ${page(address, i)}`)
      if (error === null) continue
      expect(error).toMatch(/^SIGBUS \(BUS_ADRERR\) at 0x/)
      lost++
    }
    expect(lost).toBeGreaterThan(100)
    expect(lost).toBeLessThan(3000)
    expect(sys.swap_info.errors[0]).toBeGreaterThan(0)
    expect(done(session, 'check')).toBe('all laws hold\n')
    // What was lost stays lost when the area ends; all else comes back.
    done(session, `swapoff ${file}`)
    expect(done(session, 'check')).toBe('all laws hold\n')
    expect(done(session, 'dmesg')).toMatch(/Read-error on swap-device/)
    done(session, 'kill; check')
    expect(used(session)).toBe(0)
  })

  it('without memory for what lies there, swapoff fails, nobody is killed, and the area is used as before', () => {
    const [session, file] = [open(), fresh()]
    done(session, `mkswap ${file} 32M; swapon ${file}`)
    const address = hog(session)
    const { error, status } = session.run(`swapoff ${file}`)
    expect([error, status]).toEqual([`swapoff: ${file}: there is not enough memory for what lies there`, 1])
    expect(done(session, 'check; ps')).toMatch(/all laws hold\n\* 1 /)
    done(session, `read ${address} 8000; fill ${address} 500 random; check`)
    expect(used(session)).toBeGreaterThan(2000)
  })

  it('full: what finds no slot stays in memory', () => {
    const [session, file] = [open(), fresh()]
    done(session, `mkswap ${file} 1M; swapon ${file}`)
    hog(session, free(session) - 40)
    expect(used(session)).toBe(255)
    expect(done(session, 'check')).toBe('all laws hold\n')
  })
})

describe('time', () => {
  it('goes back and forth to equal states, and the file holds what the present says', () => {
    const [session, file] = [open(), fresh()]
    done(session, `mkswap ${file} 32M; swapon ${file}`)
    const address = hog(session)
    const begin = session.timeline.position
    const states: string[] = []
    for (let i = 0; i < 5; i++) {
      done(session, `fill ${page(address, 900 * i)} 900 ${i % 2 === 0 ? 'random' : 'text'} seed=${i}`)
      states.push(session.machine.hash())
    }
    for (const step of [3, 0, 4, 2]) {
      done(session, `goto ${begin + step + 1}`)
      expect(session.machine.hash()).toBe(states[step])
      expect(session.machine.check()).toEqual([])
    }
    // Another future: the file is taken back to this moment first, then goes on with it.
    done(session, `fill ${address} 100 count; munmap ${page(address, 4000)} 4000; swapoff ${file}`)
    for (const i of [0, 99, 950, 1300, 3999]) done(session, `read ${page(address, i)}`)
    expect(done(session, `peek ${address} 8`)).toContain('00 04 00 00 01 04 00 00')
  })

  it('does not ask the file again for what it was asked already', () => {
    const [session, file] = [open(), fresh()]
    done(session, `mkswap ${file} 32M; swapon ${file}`)
    const address = hog(session)
    done(session, `read ${address} 8000`)
    const state = session.machine.hash()
    truncateSync(file, 8192)
    done(session, 'back; step')
    expect(session.machine.hash()).toBe(state)
    // New requests see what became of it.
    expect(session.run(`read ${address} 8000`).error).toMatch(/^SIGBUS/)
  })

  it('a fork has pages of its own, and the file is not disturbed', () => {
    const [session, file] = [open(), fresh()]
    done(session, `mkswap ${file} 32M; swapon ${file}`)
    const address = hog(session)
    const bytes = readFileSync(file)
    done(session, `fork other; switch other; fill ${address} 8000 random; check; read ${address} 8000`)
    expect(readFileSync(file).equals(bytes)).toBe(true)
    done(session, 'switch main')
    done(session, `read ${address} 4000; check`)
    expect(session.run(`mkswap ${file}`).error).toMatch(/is a swap area in use/)
    const later = fresh()
    done(session, `mkswap ${later} 1M; swapon ${later}; switch other`)
    expect(session.run(`swapon ${later}`).error).toMatch(/belongs to another timeline/)
  })
})

describe('vmstat and free', () => {
  it('tell of the last steps, and live', () => {
    const [session, file] = [open(), fresh()]
    done(session, `mkswap ${file} 32M; swapon ${file}`)
    const address = hog(session)
    const rows = done(session, 'vmstat 3').trimEnd().split('\n')
    expect(rows.length).toBe(5)
    expect(rows[1]).toMatch(/^ r {2}b {3}swpd {3}free/)
    const so = (row: string): number => Number(row.trim().split(/\s+/)[7])
    // spawn and mmap swap nothing, the last step does.
    expect([so(rows[2]!), so(rows[3]!), so(rows[4]!) > 0]).toEqual([0, 0, true])
    expect(done(session, 'vmstat').split('\n').length).toBe(4)
    const live = done(session, `vmstat every 5; read ${address} 4000; vmstat off; read ${address} 10`)
    const table = live.split('\n').filter(line => /^ *\d+ +0 +\d/.test(line))
    expect(table.length).toBeGreaterThan(3)
    const si = table.map(row => Number(row.trim().split(/\s+/)[6]))
    expect(Math.max(...si)).toBeGreaterThan(0)
    expect(done(session, 'free')).toMatch(/^ +total +used +free +shared +buff\/cache +available\nMem: +\d+/)
    expect(done(session, 'free -m')).toMatch(/Swap: +31 +\d+ +\d+\n$/)
    expect(session.run('free -x').status).toBe(2)
    expect(session.run('vmstat every 0').status).toBe(2)
    expect(session.run('vmstat twice').error).toBe('usage: vmstat [STEPS | every MS | off]')
  })
})
