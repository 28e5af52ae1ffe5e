// What programs write into their pages, in kinds that compress differently. The same kind and seed give the same bytes.
import { next_random, seed_random } from '../base/rng.ts'

/** zeros, one word over and over, counting words, English words, or bytes by chance. */
export const CONTENTS = ['zeros', 'same', 'count', 'text', 'random'] as const
export type Content = (typeof CONTENTS)[number]

const WORDS =
  'the page of a process is moved to swap when memory is low and comes back with a fault as soon as it is used again'.split(
    ' ',
  )

/** Fills a page. */
export function fillPage(page: Uint8Array, content: Content, seed: number): void {
  if (content === 'zeros') page.fill(0)
  else if (content === 'text') writeText(page, seed)
  else writeWords(page, content, seed)
}

/** Words of 32 bits, little endian. */
function writeWords(page: Uint8Array, content: 'same' | 'count' | 'random', seed: number): void {
  let word = content === 'count' ? Math.imul(seed, page.length / 4) : seed_random(seed)
  for (let at = 0; at < page.length; at += 4) {
    page[at] = word
    page[at + 1] = word >>> 8
    page[at + 2] = word >>> 16
    page[at + 3] = word >>> 24
    if (content === 'count') word++
    else if (content === 'random') word = next_random(word)
  }
}

function writeText(page: Uint8Array, seed: number): void {
  let state = seed_random(seed)
  for (let at = 0; at < page.length; ) {
    state = next_random(state)
    const word = `${WORDS[state % WORDS.length]} `
    for (let i = 0; i < word.length && at < page.length; i++) page[at++] = word.charCodeAt(i)
  }
}
