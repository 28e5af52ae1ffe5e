// zram and zswap through the shell: contents decide what they cost, the memory they take is the machine's, and whatever
// happens the bytes come back and all laws hold.
import { describe, expect, it } from 'vitest'
import { Machine } from '../../../src/sim/machine.ts'
import { openShell, type Session } from '../../../src/sim/shell/shell.ts'

function open(kernel: string, nr_zspages = 4096): Session {
  const processes = { nr_tasks: 8, nr_swap_slots: 2 ** 14, nr_zspages }
  return openShell(Machine.boot({ kernel, memory: '32M' }, { processes, framesWithBytes: 40000 }))
}

function done(session: Session, line: string): string {
  const { text, error } = session.run(line)
  expect(error).toBeNull()
  return text
}

function hog(session: Session, pages: number, content: string): string {
  done(session, 'thp never; spawn hog')
  const address = done(session, `mmap ${pages}`).trim()
  done(session, `fill ${address} ${pages} ${content}`)
  return address
}

const mmStat = (session: Session): number[] =>
  done(session, 'cat /sys/block/zram0/mm_stat').trim().split(/\s+/).map(Number)

const count = (session: Session, name: string): number =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(done(session, 'cat vmstat'))![1])

describe.each(['6.1-x86_64', '6.12-x86_64'])('zram on %s', kernel => {
  it('costs what the content compresses to, and gives it back', () => {
    const session = open(kernel)
    expect(done(session, 'zram 32M -p 100')).toMatch(/^Adding 32764k swap on \/dev\/zram0\. {2}Priority:100/)
    const address = hog(session, 7000, 'text')
    // Counters are folded once a tick.
    done(session, 'tick 1')
    const [orig, compr, total, limit, most, same, , huge] = mmStat(session)
    expect(orig).toBe(session.machine.sys.zs_pool.objects[0]! * 4096)
    expect(compr! / orig!).toBeLessThan(0.6)
    expect(total).toBeGreaterThanOrEqual(compr!)
    expect(total! / compr!).toBeLessThan(1.1)
    expect([limit, same, huge, most! >= total!]).toEqual([0, 0, 0, true])
    expect(count(session, 'nr_zspages') * 4096).toBe(total)
    expect(count(session, 'pswpout')).toBeGreaterThan(1000)
    done(session, `read ${address}; check`)
    expect(done(session, `peek ${address} 16`)).toMatch(/^0000 {2}([0-9a-f]{2} ?){16}/)
    done(session, 'kill; tick 10; check')
    // A CPU keeps up to 64 slots before it gives them back.
    expect(mmStat(session)[0]).toBeLessThanOrEqual(64 * 4096)
    done(session, 'swapoff /dev/zram0; check')
    expect(session.machine.sys.zs_pool.pages[0]).toBe(0)
    expect(session.run('cat /sys/block/zram0/mm_stat').status).toBe(1)
  })

  it('keeps pages of one word for nothing, and those of chance as they are', () => {
    const same = open(kernel)
    done(same, 'zram 32M')
    hog(same, 7000, 'same')
    const [orig, compr, total, , , pages] = mmStat(same)
    // Kernels that notice zeros before they write them do not notice other words: zram does.
    expect([orig! > 2 ** 20, compr, total, pages! * 4096]).toEqual([true, 0, 0, orig])
    const random = open(kernel)
    done(random, 'zram 32M')
    hog(random, 4600, 'random')
    const [stored, packed, used, , , , , huge] = mmStat(random)
    expect([packed, used, huge! * 4096]).toEqual([stored, stored, stored])
    expect(done(random, 'check')).toBe('all laws hold\n')
  })

  it('comes back and forth in time', () => {
    const session = open(kernel)
    done(session, 'zram 32M')
    const address = hog(session, 7000, 'text')
    const state = session.machine.hash()
    done(session, `fill ${address} 2000 random; read ${address} 2000`)
    const later = session.machine.hash()
    done(session, 'back 2')
    expect(session.machine.hash()).toBe(state)
    done(session, 'step 2')
    expect(session.machine.hash()).toBe(later)
    expect(done(session, 'check')).toBe('all laws hold\n')
  })
})

describe.each(['6.1-x86_64', '6.12-x86_64'])('zswap on %s', kernel => {
  const withArea = (): Session => {
    const session = open(kernel)
    const header = { version: 1, last_page: 8191, badpages: [] }
    session.do({ op: 'swapon', path: '/dev/vdb', header, pages: 8192 })
    done(session, 'echo Y > /sys/module/zswap/parameters/enabled')
    return session
  }
  const zswap = (session: Session, name: string): number => Number(done(session, `cat /sys/kernel/debug/zswap/${name}`))

  it('keeps pages before they reach the area', () => {
    const session = withArea()
    done(session, 'echo 50 > /sys/module/zswap/parameters/max_pool_percent')
    const address = hog(session, 5500, 'text')
    expect(count(session, 'zswpout')).toBeGreaterThan(500)
    expect([count(session, 'pswpout'), zswap(session, 'stored_pages') > 500]).toEqual([0, true])
    expect(done(session, 'cat meminfo')).toMatch(/Zswap: +[1-9]\d* kB\nZswapped: +[1-9]\d* kB/)
    const stored = zswap(session, 'stored_pages')
    done(session, `read ${address} 5500`)
    expect(count(session, 'zswpin')).toBeGreaterThan(0)
    expect(count(session, 'pswpin')).toBe(0)
    expect(stored).toBeGreaterThan(0)
    done(session, 'check; kill; tick 10; check')
    expect(zswap(session, 'stored_pages')).toBeLessThanOrEqual(64)
  })

  it('writes its oldest pages back when the pool is full, and rejects what does not compress', () => {
    const session = withArea()
    done(session, 'echo 5 > /sys/module/zswap/parameters/max_pool_percent')
    const address = hog(session, 8000, 'text')
    expect(zswap(session, 'pool_limit_hit')).toBeGreaterThan(0)
    expect(zswap(session, 'written_back_pages')).toBeGreaterThan(0)
    expect(count(session, 'pswpout')).toBeGreaterThanOrEqual(zswap(session, 'written_back_pages'))
    expect(done(session, 'check')).toBe('all laws hold\n')
    done(session, `fill ${address} 2000 random; tick 10`)
    done(session, `read ${address} 8000`)
    expect(zswap(session, 'reject_compress_poor')).toBeGreaterThan(0)
    expect(done(session, 'check')).toBe('all laws hold\n')
    const area = '/dev/vdb'
    done(session, `munmap ${address}+3000 5000; tick 10; swapoff ${area}; check`)
    expect(zswap(session, 'stored_pages')).toBe(0)
  })

  it('refuses parameters that are none', () => {
    const session = withArea()
    for (const [value, name] of [
      ['maybe', 'enabled'],
      ['101', 'max_pool_percent'],
      ['x', 'accept_threshold_percent'],
    ])
      expect(session.run(`echo ${value} > /sys/module/zswap/parameters/${name}`)).toMatchObject({
        error: `/sys/module/zswap/parameters/${name}: invalid argument`,
        status: 1,
      })
    expect(session.run('echo 1 > /sys/module/zswap/parameters/zpool').status).toBe(2)
    expect(done(session, 'cat /sys/module/zswap/parameters/enabled')).toBe('Y\n')
  })
})

it('machines without room say so, and what is no size is told', () => {
  const session = open('6.1-x86_64', 0)
  expect(session.run('zram 8M')).toMatchObject({
    status: 2,
    error: 'this machine has no room for compressed memory: boot it with nr_zspages',
  })
  expect(open('6.1-x86_64').run('zram 8X')).toMatchObject({ status: 2, error: 'zram: "8X" is no size: as 64M' })
  expect(open('6.1-x86_64').run('zram 8K').status).toBe(2)
})

it('without zspages left, pages stay in memory and nothing is lost', () => {
  const session = open('6.1-x86_64', 40)
  done(session, 'zram 32M')
  const address = hog(session, 4950, 'text')
  expect(done(session, 'check')).toBe('all laws hold\n')
  expect(session.machine.sys.zs_pool.pages[0]).toBeLessThanOrEqual(160)
  done(session, `munmap ${address}+2000 2950; tick 10; read ${address} 2000; check`)
})
