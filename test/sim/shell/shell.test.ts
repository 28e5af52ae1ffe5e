// The shell: lines in, text out.
import { describe, expect, it } from 'vitest'
import { kzalloc } from '../../../src/mm/kmalloc.ts'
import { Machine } from '../../../src/sim/machine.ts'
import { type Answer, completeLine, openShell, type Session } from '../../../src/sim/shell/shell.ts'
import { splitLine } from '../../../src/sim/shell/words.ts'

const booted = Machine.boot({ memory: '64M', cpus: 2 })
const open = (files: Readonly<Record<string, string>> = {}): Session =>
  openShell(booted.fork(), { readFile: path => files[path] ?? failing(path) })

function failing(path: string): never {
  throw Object.assign(new Error(`${path}: no such file or folder`), { name: 'UserError' })
}

/** The text of a line that must succeed. */
function done(session: Session, line: string): string {
  const { text, error } = session.run(line)
  expect(error).toBeNull()
  return text
}

describe('words', () => {
  it.each<[string, string[][]]>([
    ['', []],
    ['  a  b ; c # d ; e', [['a', 'b'], ['c']]],
    [`echo "a;b" 'c d'e`, [['echo', 'a;b', 'c de']]],
    ['#!/x', []],
    ['sysctl vm.x=1 2', [['sysctl', 'vm.x=1', '2']]],
  ])('%s', (line, words) => expect(splitLine(line)).toEqual(words))

  it('an open quote is a mistake', () => expect(() => splitLine('echo "a')).toThrow('column 6 is not closed'))
})

describe('allocating', () => {
  it('names blocks, shows and frees them', () => {
    const session = open()
    expect(done(session, 'alloc_pages GFP_KERNEL|__GFP_ZERO 3 0 cpu=1')).toMatch(
      /^\$1 = pfn (\d+) \(0x[0-9a-f]+\) order 3 address 0xffff8880[0-9a-f]{8}\n$/,
    )
    expect(done(session, 'page $1')).toContain('first frame of an allocated block of order 3')
    expect(done(session, 'diff 0')).toMatch(/^allocated: 1 block \(frame:order\) \d+:3\n/)
    expect(done(session, 'free_pages $1')).toBe('')
    expect(done(session, 'drain_all_pages; diff 0')).not.toContain('allocated:')
    for (const line of [
      'alloc_page GFP_ATOMIC',
      '__get_free_pages GFP_KERNEL 2',
      '__get_free_page GFP_NOIO',
      'get_zeroed_page GFP_DMA',
    ])
      done(session, line)
    done(session, '__free_page $2; free_pages $3; free_page $4; __free_pages $5 0')
    expect(done(session, 'check')).toBe('all laws hold\n')
  })

  it('knows addresses', () => {
    const session = open()
    const pfn = /pfn (\d+)/.exec(done(session, 'alloc_page GFP_KERNEL'))![1]!
    const address = done(session, `page_address ${pfn}`).trim()
    expect(done(session, `page_address $1`).trim()).toBe(address)
    expect(done(session, `virt_to_page ${address}`)).toContain(`pfn ${pfn} `)
    done(session, `free_page ${address}`)
    expect(session.run('virt_to_page 0x1000').error).toContain(
      'is not in the direct map, which begins at 0xffff888000000000',
    )
  })

  it('says what the kernel says about a wrong free', () => {
    const session = open()
    done(session, 'alloc_pages GFP_KERNEL 2')
    const { text, status, error } = session.run('free_page $1')
    expect([status, error]).toEqual([1, '$1: nothing was freed, the kernel reports a bad page'])
    expect(text).toContain('allocated with order 2, freed with order 0')
    expect(done(session, 'dmesg')).toBe(text)
  })

  it('fails as the machine does', () => {
    const { status, text, error } = open().run('alloc_pages GFP_KERNEL 10; alloc_pages GFP_KERNEL 11')
    expect([status, error]).toEqual([1, 'alloc_pages: no block of order 11 for GFP_KERNEL'])
    expect(text).toMatch(/^\$1 = .*\nWARNING/)
  })
})

describe('time', () => {
  it('goes back and forth', () => {
    const session = open()
    const hash = (): string => done(session, 'hash')
    const start = hash()
    done(session, 'random 300 5')
    const end = hash()
    expect(done(session, 'back 300')).toBe('step 0 of 300\n')
    expect(hash()).toBe(start)
    expect(done(session, 'step 100; goto 300')).toBe('step 100 of 300\nstep 300 of 300\n')
    expect(hash()).toBe(end)
    expect(done(session, 'diff 300')).toBe('no difference\n')
    expect(session.run('step').error).toBe('there is nothing to do again')
    expect(session.run('goto 301').error).toBe('step 301: there are steps 0 to 300')
  })

  it('the same seed is the same machine, another line another one', () => {
    const [a, b] = [open(), open()]
    done(a, 'random 200 9')
    done(b, 'random 200 9')
    expect(done(a, 'hash')).toBe(done(b, 'hash'))
    done(b, 'random 200; random 200')
    expect(done(a, 'hash')).not.toBe(done(b, 'hash'))
    expect(a.run('random 1000001').error).toBe('random does 1000000 commands at a time, not 1000001')
  })

  it('back over 1000 commands and forward again passes through the same states', () => {
    const session = open()
    done(session, 'random 1000 7')
    const hashes = (steps: readonly number[]): string[] => steps.map(n => done(session, `goto ${n}; hash`))
    const steps = Array.from({ length: 11 }, (_, i) => 1000 - 100 * i)
    const back = hashes(steps)
    expect(new Set(back).size).toBe(11)
    expect(hashes(steps.toReversed())).toEqual(back.toReversed())
  })

  it('has more than one future', () => {
    const session = open()
    done(session, 'random 50 1; fork other; random 50 2')
    const here = done(session, 'hash')
    expect(done(session, 'diff other')).not.toBe('no difference\n')
    expect(done(session, 'switch other; random 50 2; hash')).toContain(here)
    expect(done(session, 'diff main')).toBe('no difference\n')
    expect(done(session, 'fork')).toBe('  main step 100 of 100\n* other step 100 of 100\n')
    expect(session.run('switch othr').error).toBe('no timeline "othr"; did you mean other?')
    expect(session.run('fork other').status).toBe(1)
  })
})

describe('kmemleak', () => {
  it('scans and tells; a kernel without it says how to have it', () => {
    const session = openShell(Machine.boot({ memory: '64M', config: { DEBUG_KMEMLEAK: true } }))
    expect(done(session, 'kmemleak')).toBe('')
    kzalloc(session.machine.sys, 64, 0xcc0)
    expect(done(session, 'tick 2000; kmemleak scan')).toBe(
      'kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n',
    )
    const text = done(session, 'cat /sys/kernel/debug/kmemleak')
    expect(text).toMatch(/^unreferenced object 0xffff8880[0-9a-f]{8} \(size 64\):\n/)
    expect([done(session, 'kmemleak'), done(session, 'kmemleak clear; kmemleak')]).toEqual([text, ''])
    expect(session.run('kmemleak scam').error).toBe('kmemleak: scam: invalid argument')
    expect(session.run('kmemleak off; kmemleak scan').error).toBe('kmemleak: scan: kmemleak is off')
    expect(open().run('kmemleak').error).toContain('"DEBUG_KMEMLEAK": true')
  })
})

describe('settings and files', () => {
  it('reads and writes vm.*', () => {
    const session = open()
    expect(done(session, 'sysctl vm.min_free_kbytes = 2048')).toBe('vm.min_free_kbytes = 2048\n')
    expect(done(session, 'cat /proc/sys/vm/min_free_kbytes')).toBe('2048\n')
    expect(done(session, 'back; sysctl min_free_kbytes')).not.toContain('2048')
    expect(done(session, 'sysctl')).toContain('vm.watermark_scale_factor = 10\n')
    expect(session.run('sysctl vm.min_fre_kbytes').error).toContain('did you mean vm.min_free_kbytes?')
    expect(session.run('sysctl vm.swappiness=900').error).toBe('vm.swappiness = 900: invalid argument')
    expect(done(session, 'set_cpu 1; set_cpu; tick 5')).toBe('1\n')
    expect(session.run('set_cpu 2').error).toBe('cpu 2: there are CPUs 0 to 1')
    expect(done(session, 'transparent_hugepage never')).toBe('')
  })

  it('shows zones, free blocks and files', () => {
    const session = open()
    expect(done(session, 'zones')).toMatch(/^zone +start +spanned .*\nnode 0 zone DMA +1 +4095 /)
    expect(done(session, 'buddy dma')).toMatch(/^node 0 zone DMA: (\d+:\d+ ?)+\n$/)
    expect(done(session, 'ls /proc')).toContain('buddyinfo\n')
    expect(done(session, 'cat buddyinfo')).toBe(booted.proc('buddyinfo'))
    expect(session.run('cat /proc/budyinfo').error).toBe('no file "/proc/budyinfo"; did you mean /proc/buddyinfo?')
    expect(session.run('buddy nowhere').error).toBe('no zone "nowhere"')
    expect(session.run('page 9999999').error).toContain('the machine has frames 0 to')
  })

  it('traces', () => {
    const session = open()
    done(session, 'trace on; alloc_pages GFP_KERNEL 4; free_pages $1; trace off; alloc_page GFP_KERNEL')
    const lines = done(session, 'trace show')
      .split('\n')
      .filter(line => !line.startsWith('#'))
    expect(lines.map(line => / (mm_\w+):/.exec(line)?.[1])).toEqual(
      expect.arrayContaining(['mm_page_alloc_zone_locked', 'mm_page_alloc', 'mm_page_free']),
    )
    expect(done(session, 'trace show 1').trim().split('\n').at(-1)).toContain('mm_page_free: ')
    expect(done(session, 'trace clear; trace show')).toContain('0/0')
  })
})

describe('the shell itself', () => {
  const answer = (line: string): Answer =>
    open({ ok: 'echo a\nhash', bad: 'echo x\nech y', loop: 'source loop' }).run(line)

  it.each<[string, 1 | 2, string]>([
    ['alloc_pags', 2, 'no command "alloc_pags"; did you mean alloc_pages?'],
    ['alloc_pages', 2, 'usage: alloc_pages GFP ORDER [NODE] [cpu=N]'],
    ['alloc_pages GFP_KERNL 0', 2, 'no GFP flag "GFP_KERNL"'],
    ['alloc_pages GFP_KERNEL x', 2, 'order "x" is not a whole number'],
    ['alloc_pages GFP_KERNEL 0 cpu=9', 2, 'cpu 9 is not a whole number from 0 to 1'],
    ['free_pages $1', 1, '$1: nothing has that name; 0 were given'],
    ['trace maybe', 2, 'trace takes on, off, show or clear, not "maybe"'],
    ['source nowhere', 1, 'nowhere: no such file or folder'],
    ['source bad', 2, 'bad:2: no command "ech"; did you mean echo?'],
    ['help nonesuch', 2, 'no command "nonesuch"'],
  ])('%s', (line, status, error) => expect(answer(line)).toMatchObject({ status, error }))

  it('sources files, and ends where they source each other', () => {
    expect(answer('source ok').text).toMatch(/^a\n[0-9a-f]{16}\n$/)
    expect(answer('source bad').text).toBe('x\n')
    expect(answer('source loop').error).toContain('files source each other without end')
  })

  it('explains every command', () => {
    const session = open()
    const help = done(session, 'help')
    for (const word of Object.keys(session.builtins)) {
      expect(help).toContain(`  ${word}`)
      expect(done(session, `help ${word}`)).toMatch(/\n {2}\S/)
    }
  })

  it('does nothing after exit', () => {
    const session = open()
    expect([done(session, 'echo a; exit; echo b'), session.ended]).toEqual(['a\n', true])
  })

  it('completes words', () => {
    const session = open()
    done(session, 'alloc_page GFP_KERNEL')
    const complete = (line: string): string[] => completeLine(session, line)[0]
    expect(complete('alloc_')).toEqual(['alloc_page', 'alloc_pages'])
    expect(complete('hash; alloc_pages GFP_KERNEL_')).toEqual(['GFP_KERNEL_ACCOUNT'])
    expect(complete('cat /proc/bu')).toEqual(['/proc/buddyinfo'])
    expect(complete('sysctl vm.min')).toEqual(['vm.min_free_kbytes'])
    expect(complete('free_pages ')).toEqual(['$1'])
    expect(complete('switch ')).toEqual(['main'])
    expect(complete('echo ')).toEqual([])
  })
})

describe('/sys/kernel/slab', () => {
  it('is listed, read and written; a write can be undone', () => {
    const session = open()
    expect(done(session, 'ls /sys/kernel/slab')).toContain('kmalloc-64/\n')
    expect(done(session, 'cat /sys/kernel/slab/kmalloc-64/objs_per_slab')).toBe('64\n')
    expect(
      done(session, 'echo 9 > /sys/kernel/slab/kmalloc-64/min_partial; echo 1 >/sys/kernel/slab/kmalloc-64/shrink'),
    ).toBe('')
    expect(done(session, 'cat /sys/kernel/slab/kmalloc-64/min_partial')).toBe('9\n')
    done(session, 'back 2')
    expect(done(session, 'cat /sys/kernel/slab/kmalloc-64/min_partial')).toBe('5\n')
  })

  it.each([
    ['echo 1 > /sys/kernel/slab/kmalloc-64/order', 'it can only be read'],
    ['echo x > /sys/kernel/slab/kmalloc-64/min_partial', 'invalid argument'],
    ['echo 1 > /sys/kernel/slab/nothing/order', 'no such file'],
    ['echo 1 > /etc/passwd', 'it cannot be written'],
  ])('%s', (line, why) => expect(open().run(line)).toMatchObject({ status: 1, error: expect.stringContaining(why) }))
})

describe('objects, mappings, pools, stacks, segments', () => {
  it('objects by their names, whose bytes can be seen', () => {
    const session = open()
    expect(done(session, 'kmem_cache_create box 100 flags=POISON|SLAB_RED_ZONE align=64')).toMatch(
      /^\$1 = cache box: objects of 100 bytes, \d+ with all/,
    )
    expect(done(session, 'kmem_cache_alloc box GFP_KERNEL')).toMatch(/^\$2 = 0xffff8880[0-9a-f]{8} in frame \d+\n$/)
    done(session, 'memset $2+4 0x41 4')
    expect(done(session, 'dump $2 9')).toMatch(/: 6b 6b 6b 6b 41 41 41 41 6b +kkkkAAAAk\n$/)
    expect(done(session, 'kmem_cache_alloc_bulk $1 2 GFP_ATOMIC')).toMatch(/^\$3 = 0x.*\n\$4 = 0x.*\n$/)
    expect(done(session, 'kmem_cache_free box $2 $3 $4; kmem_cache_shrink box')).toBe('no slab is left\n')
    expect(session.run('kmem_cache_free box $2')).toMatchObject({
      status: 1,
      error: 'kmem_cache_free: the kernel complains',
    })
    expect(session.run('kmem_cache_free bux $2').error).toContain('no cache "bux"; did you mean box?')
    expect(done(session, 'kmem_cache_destroy $1; check')).toBe('all laws hold\n')
    expect(
      done(session, 'kzalloc 60 GFP_KERNEL cpu=1; krealloc $5 200 GFP_KERNEL; ksize $6; kcalloc 3 4 GFP_KERNEL'),
    ).toMatch(/\n256\n\$7 = /)
    done(session, 'kfree $6; kfree $7; kfree NULL')
    expect(session.run('kfree 0xffffc90000000000').error).toContain('is not in the direct map')
    expect(session.run('kfree $1').error).toBe('$1 is a cache, which has no address')
    expect(session.run('kmalloc 3 GFP_LOST').status).toBe(2)
    expect(session.run('kmem_cache_create x 8 flags=NONE').status).toBe(2)
  })

  it('a cache that joins another is found by its own name', () => {
    const session = openShell(booted.fork())
    expect(done(session, 'kmem_cache_create mine 200; kmem_cache_create yours 200')).toContain(', which joined mine: ')
    expect(done(session, 'kmem_cache_alloc yours GFP_KERNEL; kmem_cache_free mine $3')).toContain('$3 = 0x')
  })

  it('mappings', () => {
    const session = open()
    expect(done(session, 'vmalloc 10000; vmalloc_to_page $1; vfree $1; vzalloc 1')).toMatch(
      /^\$1 = 0xffffc9000{8}\npfn \d+ .*\n\$2 = 0xffffc90000004000\n$/,
    )
    done(session, 'alloc_pages GFP_KERNEL 2; vmap $3; vm_map_ram $3; vunmap $4; vm_unmap_ram $5; vm_unmap_aliases')
    expect(session.run('vunmap $4')).toMatchObject({ status: 1, error: 'vunmap: the kernel complains' })
    expect(session.run('vmalloc_to_page $4').error).toContain('nothing is mapped at 0xffffc9')
    expect(done(session, 'kmap $3; kunmap $3; kmap_local_page $3; kunmap_local $7; kmap_atomic $3')).toContain(
      '$8 = 0xffff',
    )
    expect(session.run('kmalloc 8 GFP_KERNEL')).toMatchObject({ status: 1, text: expect.stringMatching(/\n\$9 = 0x/) })
    expect(done(session, 'kunmap_atomic $8; kmap_flush_unused; kfree $9; check')).toBe('all laws hold\n')
    expect(session.run('vm_map_ram $1').error).toContain('$1 is no block of pages')
    expect(session.run('vm_unmap_ram 0xffffc90000000000').error).toContain('how many pages?')
  })

  it('pools', () => {
    const session = open()
    done(session, 'kmem_cache_create box 100; mempool_create_slab_pool 2 box; mempool_create_page_pool 1 1')
    expect(done(session, 'mempool_create_kmalloc_pool 3 50; mempool_alloc $4 GFP_NOIO')).toContain(
      '3 of 3 elements in reserve',
    )
    expect(done(session, 'mempool_free $4 $5; mempool_resize $4 1')).toBe(
      '3 of 3 elements in reserve\n1 of 1 elements in reserve\n',
    )
    expect(done(session, 'mempool_alloc $3 GFP_KERNEL')).toMatch(/^\$6 = pfn \d+ order 1; 1 of 1/)
    done(session, 'mempool_free $3 $6; mempool_destroy $2; mempool_destroy $3; mempool_destroy $4; check')
    expect(session.run('mempool_alloc $4 GFP_KERNEL').error).toContain('there is no memory pool')
  })

  it('stacks', () => {
    const session = open()
    done(session, 'kthread_create worker; schedule $1; call sys_read 200; irq_enter; stack')
    expect(session.run('kmalloc 8 GFP_KERNEL').text).toContain('BUG: sleeping function called from invalid context')
    expect(done(session, 'softirq_enter; softirq_exit; irq_exit; return; stack')).toContain('worker/1: frames ')
    expect(done(session, 'kmalloc 8 GFP_KERNEL; preempt_disable; preempt_enable')).toContain('$3 = ')
    expect(session.run('preempt_enable').status).toBe(1)
    expect(done(session, 'local_irq_disable; local_irq_enable; schedule idle; kthread_stop $1; check')).toBe(
      'all laws hold\n',
    )
  })

  it('segments', () => {
    const session = openShell(Machine.boot({ kernel: '6.1-i386', memory: '64M' }))
    expect(done(session, 'gdt')).toContain('base 0x0 limit 0xffffffff dpl 3 code')
    expect(done(session, 'modify_ldt entry_number=1 base_addr=0x10000 limit=0xfff useable=1; ldt')).toContain(
      'selector 0xf\n',
    )
    expect(done(session, 'loadsegment fs 0xf; linear_address fs:0x10 write 4')).toBe('0x10010\n')
    expect(session.run('linear_address fs:0x1000')).toMatchObject({ status: 1, error: 'linear_address: #GP(0x0)' })
    expect(session.run('loadsegment gs 0x17').error).toBe('loadsegment: #GP(0x14)')
    expect(session.run('modify_ldt entry_number=9999').error).toContain('invalid argument')
    expect(session.run('modify_ldt foo').status).toBe(2)
    expect(done(session, 'return_to_user 0x73 0x7b; enter_kernel; check')).toBe('all laws hold\n')
    expect(open().run('gdt').error).toContain('does not use segments')
  })
})
