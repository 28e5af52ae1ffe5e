// What do KASAN and kmemleak cost where they are off? The twin is compared with a copy of itself from whose allocators
// every hook was cut out; and with itself, which tells how much two equal programs differ here.
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { alternate, build, row, runNode } from './lib.mjs'
import { DIST } from './machine.mjs'

export const title = 'sanitizers'

const FILES = ['page_alloc/alloc_pages', 'slub', 'slub_slab', 'kmem_cache', 'kmalloc']

/** Hooks of one statement, and questions whether a sanitizer is there. */
const CUTS = [
  [/^ *if \(sys\.debug_kmemleak.*\n(?: *for \(.*\n)? *kmemleak_\w+\(.*\);$/gm, ';'],
  [/^ *kasan_\w+\(.*\);$/gm, ';'],
  [/if \((kasan_(?:enabled|kfree_large)\()/g, 'if (false && $1'],
  [/!(kasan_keeps\(.*?\))\)/g, '!(false && $1))'],
  [/!(kasan_check_byte\(.*?\))\)/g, '!(true || $1))'],
]

/** A copy of the compiled twin without hooks; its path. */
function withoutHooks() {
  const copy = `${build}unwatched`
  cpSync(DIST, copy, { recursive: true })
  writeFileSync(`${copy}/package.json`, '{ "type": "module" }\n')
  for (const file of FILES) {
    const path = `${copy}/mm/${file}.js`
    const before = readFileSync(path, 'utf8')
    const text = CUTS.reduce((all, [pattern, instead]) => all.replace(pattern, instead), before)
    if (text === before) throw new Error(`${file}: no hook was found`)
    if (/debug_kmemleak/.test(text)) throw new Error(`${file}: a hook is left`)
    writeFileSync(path, text)
  }
  return copy
}

const ROUNDS = 4

const NAMES = {
  cache: 'kmem_cache pair',
  kmalloc: 'kmalloc(128) pair',
  churn: 'kmem_cache churn over 20 000 live',
  pages: 'pages of order 4, pair',
}

export async function run() {
  const copy = withoutHooks()
  return Object.entries(NAMES).map(([name, what]) => {
    const { cut, off, again } = alternate(
      {
        cut: () => runNode('objects', name, copy),
        off: () => runNode('objects', name, DIST),
        again: () => runNode('objects', name, DIST),
      },
      ROUNDS,
    )
    if (cut.sum !== off.sum) throw new Error(`${name}: hooks that are off change what the twin does`)
    const more = (Math.min(off.ns, again.ns) / cut.ns - 1) * 100
    const noise = Math.abs(off.ns / again.ns - 1) * 100
    const figure = `${more.toFixed(1)} % more than without (equal runs differ by ${noise.toFixed(1)} %)`
    return row('', `${what}: sanitizers off`, figure, '≤ 5 %', more <= 5)
  })
}
