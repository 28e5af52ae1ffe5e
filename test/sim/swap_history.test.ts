// The history of a swap file: repeated requests have their old answers, new ones see the file as it is, and forks leave
// it alone. Against a reference that keeps a copy of everything after every request.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryLog, type PageFile, SwapHistory } from '../../src/sim/swap_history.ts'

const BYTES = 8
const PAGES = 4

class File implements PageFile {
  pages: Uint8Array[] = Array.from({ length: PAGES }, () => new Uint8Array(BYTES))
  asked = 0
  /** Pages from this one on are cut off. */
  end = PAGES

  size(): number {
    return this.end * BYTES
  }
  read(page: number, into: Uint8Array): boolean {
    this.asked++
    if (page < this.end) into.set(this.pages[page]!)
    return page < this.end
  }
  write(page: number, bytes: Uint8Array | null): boolean {
    this.asked++
    if (page < this.end) this.pages[page] = bytes === null ? new Uint8Array(BYTES) : bytes.slice()
    return page < this.end
  }
  text(): string {
    return this.pages.map(page => page[0]).join(',')
  }
}

const page = (value: number): Uint8Array => new Uint8Array(BYTES).fill(value)
const open = (file: File): SwapHistory => new SwapHistory(file, memoryLog(), BYTES)
const into = new Uint8Array(BYTES)

describe('a swap file with a history', () => {
  it('gives a repeated request its old answer, though the file was damaged meanwhile', () => {
    const file = new File()
    const store = open(file)
    expect(store.write(1, page(5), 0)).toBe(true)
    expect(store.read(1, into, 1)).toBe(true)
    file.end = 0
    file.asked = 0
    into.fill(9)
    expect(store.write(1, page(5), 0)).toBe(true)
    expect(store.read(1, into, 1)).toBe(true)
    expect([into[0], file.asked]).toEqual([5, 0])
    expect(store.read(1, into, 2)).toBe(false)
    file.end = PAGES
    expect(store.read(1, into, 2)).toBe(false)
    expect(store.read(1, into, 3)).toBe(true)
  })

  it('reads what somebody else wrote into the file, and reads it again when asked again', () => {
    const file = new File()
    const store = open(file)
    store.write(2, page(1), 0)
    file.pages[2] = page(77)
    store.read(2, into, 1)
    expect(into[0]).toBe(77)
    file.pages[2] = page(78)
    store.read(2, into, 1)
    expect(into[0]).toBe(77)
  })

  it('begins anew where a request differs, and the file holds what it held then', () => {
    const file = new File()
    const store = open(file)
    store.write(0, page(1), 0)
    store.write(1, page(2), 1)
    store.write(0, page(3), 2)
    expect(file.text()).toBe('3,2,0,0')
    store.write(3, page(4), 1)
    expect(file.text()).toBe('1,2,0,4')
    expect(store.length).toBe(2)
    // What a page held before its first write is nobody's: it stays.
    store.write(1, page(5), 2)
    store.forget(1)
    expect(file.text()).toBe('1,5,0,4')
    store.write(0, page(6), 1)
    store.forget(1)
    expect(file.text()).toBe('1,5,0,4')
  })

  it('fails a write whose page cannot be kept for the history', () => {
    const store = new SwapHistory(new File(), { append: () => -1, read: () => {} }, BYTES)
    expect(store.write(0, page(1), 0)).toBe(false)
    expect(store.write(0, page(1), 0)).toBe(false)
    expect(store.write(0, null, 1)).toBe(true)
  })

  it('forks into a history that leaves the file alone', () => {
    const file = new File()
    const store = open(file)
    store.write(0, page(1), 0)
    const fork = store.fork(1)
    fork.write(0, page(2), 1)
    store.write(1, page(3), 1)
    expect(file.text()).toBe('1,3,0,0')
    fork.read(0, into, 2)
    expect(into[0]).toBe(2)
    store.read(0, into, 2)
    expect(into[0]).toBe(1)
  })

  it('is a plain file for every sequence of requests, going back and going on', () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.tuple(fc.constant('write'), fc.nat(PAGES - 1), fc.nat(3)) },
      { weight: 3, arbitrary: fc.tuple(fc.constant('read'), fc.nat(PAGES - 1), fc.constant(0)) },
      { weight: 2, arbitrary: fc.tuple(fc.constant('back'), fc.nat(20), fc.constant(0)) },
    )
    const property = fc.property(fc.array(step, { maxLength: 60, size: '+1' }), steps => {
      const file = new File()
      const store = open(file)
      for (let at = 0; at < PAGES; at++) store.write(at, page(0), at - PAGES)
      // After n requests the pages were states[n]; going back and doing other things must find them so.
      let states = [[0, 0, 0, 0]]
      let now = 0
      for (const [what, at, value] of steps) {
        if (what === 'back') {
          now = Math.max(0, now - at)
          continue
        }
        const model = [...states[now]!]
        if (what === 'write') {
          store.write(at, page(value), now)
          model[at] = value
        } else {
          store.read(at, into, now)
          expect(into[0]).toBe(model[at])
        }
        if (states[now + 1]?.join() !== model.join()) states = states.slice(0, now + 1)
        states[++now] = model
      }
      store.forget(now)
      expect(file.text()).toBe(states[now]!.join(','))
    })
    fc.assert(property, { numRuns: 300 })
  })
})
