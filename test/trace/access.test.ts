// Readers of page-access traces: what they read, and what they say of damage; in pieces of any size.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AccessFormat, type AccessTrace, accessFormatOf, accessReader } from '../../src/trace/access/index.ts'
import { PageNumbers } from '../../src/trace/access/page_numbers.ts'
import { TraceFormatError } from '../../src/trace/batch.ts'

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, letter => letter.charCodeAt(0))

function read(format: AccessFormat, bytes: Uint8Array, piece = bytes.length || 1, options = {}): AccessTrace {
  const reader = accessReader(format, options)
  for (let at = 0; at < bytes.length; at += piece) reader.push(bytes.subarray(at, at + piece))
  return reader.end()
}

const pages = (trace: AccessTrace): number[] => [...trace.accesses]
const messages = (trace: AccessTrace): string[] => trace.first.map(({ line, message }) => `${line}: ${message}`)

/** Records of oracleGeneral for a list of objects, as libCacheSim writes them. */
function records(objects: readonly bigint[], base = 1n): Uint8Array {
  const view = new DataView(new ArrayBuffer(24 * objects.length))
  objects.forEach((object, i) => {
    const next = objects.indexOf(object, i + 1)
    view.setUint32(24 * i, 1000 + i, true)
    view.setBigUint64(24 * i + 4, object, true)
    view.setUint32(24 * i + 12, 4096, true)
    view.setBigInt64(24 * i + 16, next < 0 ? -1n : BigInt(next) + base, true)
  })
  return new Uint8Array(view.buffer)
}

const LACKEY = `==12== Lackey, an example Valgrind tool
I  04016b80,3
 L 1ffefffe7e,8
 S 1ffefff000,4
 M 04016ffe,4
I  04016b83,5
`

describe('lackey', () => {
  test('pages in order; an access over the end of a page is one to each', () => {
    const trace = read('lackey', bytesOf(LACKEY))
    expect(pages(trace)).toEqual([0, 1, 1, 0, 2, 0])
    expect(trace).toMatchObject({ pages: 3, records: 6, pageSize: 4096, diagnostics: 0, format: 'lackey' })
    expect(pages(read('lackey', bytesOf(LACKEY), 1000, { pageSize: 2 ** 20 }))).toEqual([0, 1, 1, 0, 0])
  })

  test('all 64 bits of an address count', () => {
    expect(read('lackey', bytesOf(' L ffffffff81000000,8\n L 7fffffff81000000,8\n L 81000000,8\n')).pages).toBe(3)
  })

  test.each([
    ['X  04016b80,3', 'no line of lackey: it begins with none of I, L, S, M'],
    ['I  xyz,3', 'no address of up to 16 hexadecimal digits'],
    ['I  00000000004016b80,3', 'no address of up to 16 hexadecimal digits'],
    ['I  04016b80', 'no size behind the address'],
    ['I  04016b80,', 'no size behind the address'],
    ['I  04016b80,0', 'no size behind the address'],
    ['I  04016b80,99999999999', 'no size behind the address'],
    ['I  04016b80,3 more', 'no size behind the address'],
    ['I'.repeat(5000), 'a line longer than 4096 bytes'],
  ])('%.20s is a diagnostic and costs its line only', (line, message) => {
    const trace = read('lackey', bytesOf(`I  1000,4\n${line}\n L 2000,4\n`))
    expect(pages(trace)).toEqual([0, 1])
    expect(messages(trace)).toEqual([`2: ${message}`])
  })

  test('a text of another kind is refused early, an empty one at its end', () => {
    expect(() => read('lackey', bytesOf('words\n'.repeat(2000)))).toThrow(/no access in the first 1000 lines/)
    expect(() => read('lackey', bytesOf(''))).toThrow(TraceFormatError)
  })
})

describe('oracleGeneral', () => {
  const objects = [5n, 2n ** 63n + 1n, 5n, 1n, 2n ** 63n + 1n, 2n ** 32n + 5n]

  test.each([0n, 1n])('objects in order, records counted from %d', base => {
    const trace = read('oracleGeneral', records(objects, base))
    expect(pages(trace)).toEqual([0, 1, 0, 2, 1, 3])
    expect(trace).toMatchObject({ records: 6, pages: 4, pageSize: null, diagnostics: 0 })
  })

  test('a cut record, and records that contradict each other, are told by number', () => {
    const bytes = records([1n, 2n, 3n, 1n, 2n, 3n, 4n, 5n, 6n])
    expect(messages(read('oracleGeneral', bytes.subarray(0, bytes.length - 1)))).toEqual([
      '9: the last record is cut: 23 of 24 bytes',
    ])
    const wrong = bytes.slice()
    wrong[24 * 3 + 4] = 9
    expect(messages(read('oracleGeneral', wrong))).toEqual([])
    wrong[24 * 4 + 4] = 3
    expect(messages(read('oracleGeneral', wrong))).toEqual([
      '5: this object was to come next at record 6',
      '6: this object was never to come again',
    ])
    const back = bytes.slice()
    back[24 * 4 + 1] = 0
    expect(messages(read('oracleGeneral', back))).toEqual(['5: time goes back from 1003 to 236'])
  })

  test('what is none is refused', () => {
    expect(() => read('oracleGeneral', new Uint8Array(2400).fill(7))).toThrow(/contradict the others/)
    expect(() => read('oracleGeneral', new Uint8Array(0))).toThrow(/no access/)
  })
})

describe('csv', () => {
  test.each([
    ['time,obj_id,size\n1,70,4\n2,71,4\n3,70,4\n', [0, 1, 0]],
    ['70\n71\n70\n', [0, 1, 0]],
    ['1,a,4\n2,b,4\n3,a,4\n', [0, 1, 0]],
    ['ts;size;"key"\n1;4;"x"\n2;4;"y"\n', [0, 1]],
    ['# made by hand\n1\t7\n2\t8\r\n', [0, 1]],
    ['1,007\n2,7\n3,18446744073709551615\n', [0, 1, 2]],
  ])('%j', (text, wanted) => {
    expect(pages(read('csv', bytesOf(text)))).toEqual(wanted)
  })

  test('a column may be named', () => {
    const text = bytesOf('1,5,9\n2,6,9\n')
    expect(pages(read('csv', text, 100, { column: 3 }))).toEqual([0, 0])
    expect(() => read('csv', text, 100, { column: 4 })).toThrow('no column 4: the first line has 3')
    expect(() => read('csv', text, 100, { column: 0 })).toThrow(RangeError)
  })

  test('lines without the column are diagnostics', () => {
    const trace = read('csv', bytesOf('1,5,9\n2\n3,,9\n4,5,9\n'))
    expect(pages(trace)).toEqual([0, 0])
    expect(messages(trace)).toEqual(['2: no column 2 in this line', '3: the object has no name'])
  })

  test('binary data is refused', () => expect(() => read('csv', new Uint8Array(64))).toThrow(/binary data/))
})

describe('DAMON', () => {
  const head = (rest: string): string =>
    `  kdamond.0-57  [001] .....  12.345: damon_aggregated: target_id=0 nr_regions=2 ${rest}\n`
  const perf = (rest: string): string =>
    `kdamond.0  57 [001] 12.3: damon:damon_aggregated: target_id=0 nr_regions=2 ${rest}\n`

  test('each page as often as its region was found accessed, samples one after the other', () => {
    const text = `# tracer: nop\n${head('4096-12288: 1 3')}${head('12288-16384: 2 0')}${head('4096-16384: 0 1')}${perf('8192-12288: 1')}`
    expect(pages(read('damon', bytesOf(text)))).toEqual([0, 1, 2, 0, 2])
  })

  test.each([
    ['1-2: x', 'a damaged event of DAMON'],
    ['8192-4096: 1 1', 'a region that ends before it begins'],
    ['0-4096: 900000 1', 'a region found accessed in 900000 samples of one interval'],
  ])('%s', (rest, message) => {
    expect(messages(read('damon', bytesOf(head(rest) + head('0-4096: 1 1'))))).toEqual([`1: ${message}`])
  })

  test('an interval that is too large, and a recording without accesses, are refused', () => {
    expect(() => read('damon', bytesOf(head('0-9007199254740991: 1 1')))).toThrow(/more than 268435456/)
    expect(() => read('damon', bytesOf(head('0-4096: 0 1')))).toThrow(/none tells of an access/)
    expect(() => read('damon', bytesOf('words\n'))).toThrow(/no access/)
  })
})

test('pieces of any size make the same trace', () => {
  const inputs: [AccessFormat, Uint8Array][] = [
    ['lackey', bytesOf(`${LACKEY}damage\n${'L'.repeat(5000)}\n${LACKEY}`)],
    ['oracleGeneral', records([1n, 2n, 1n, 3n, 3n]).subarray(0, 110)],
    ['csv', bytesOf('a,id\n1,5\n2\n3,"x"\n')],
    ['damon', bytesOf('x: damon_aggregated: target_id=1 nr_regions=1 0-8192: 2 1\nx: damon_aggregated: cut')],
  ]
  for (const [format, bytes] of inputs)
    for (const piece of [1, 2, 7, 23, 4096]) expect(read(format, bytes, piece)).toEqual(read(format, bytes))
})

test('no input makes anything but a trace or a TraceFormatError', () => {
  const formats = fc.constantFrom<AccessFormat>('lackey', 'oracleGeneral', 'csv', 'damon')
  const spoiled = fc.tuple(fc.nat(200), fc.uint8Array({ size: '+1' })).map(([at, junk]) => {
    const bytes = bytesOf(LACKEY.repeat(2))
    bytes.set(junk.subarray(0, bytes.length), Math.min(at, Math.max(0, bytes.length - junk.length)))
    return bytes
  })
  fc.assert(
    fc.property(formats, fc.oneof(spoiled, fc.uint8Array({ size: '+2' })), (format, bytes) => {
      try {
        const trace = read(format, bytes, 13)
        expect(Math.max(...trace.accesses)).toBe(trace.pages - 1)
      } catch (error) {
        expect(error).toBeInstanceOf(TraceFormatError)
      }
    }),
    { numRuns: 500 },
  )
})

test('formats are told apart by how they begin', () => {
  expect(accessFormatOf(bytesOf(LACKEY))).toBe('lackey')
  expect(accessFormatOf(records([1n, 2n, 1n]))).toBe('oracleGeneral')
  expect(accessFormatOf(bytesOf('1,2,3\n'), 'x.csv')).toBe('csv')
  expect(accessFormatOf(bytesOf('1,2,3\n'), 'x.oracleGeneral.bin')).toBe('oracleGeneral')
  expect(accessFormatOf(bytesOf('x: damon_aggregated: target_id=0 nr_regions=1 0-1: 1 1\n'))).toBe('damon')
  expect(accessFormatOf(bytesOf('# tracer: nop\n  sh-1 [000] 1.0: mm_page_alloc: page=1 pfn=1\n'))).toBeNull()
  expect(
    accessFormatOf(Uint8Array.from([0x17, 8, 0x44, ...bytesOf('tracing'), 0, 0, 0, 0, ...new Uint8Array(90)])),
  ).toBeNull()
})

test('names of pages keep all 64 bits, and the order of their first access', () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { size: '+2' }), names => {
      const numbers = new PageNumbers()
      const seen: bigint[] = []
      for (const name of [...names, ...names]) {
        const number = numbers.of(Number(BigInt.asIntN(32, name)), Number(BigInt.asIntN(32, name >> 32n)))
        if (!seen.includes(name)) seen.push(name)
        expect(number).toBe(seen.indexOf(name))
      }
      expect(seen.map((_, number) => numbers.nameOf(number))).toEqual(seen)
    }),
  )
})
