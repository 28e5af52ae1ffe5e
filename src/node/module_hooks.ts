// TypeScript for Node versions that do not read it themselves: as a file is imported, its types are blanked, so that lines
// and columns stay. What cannot be blanked (enums, namespaces, parameter properties) is refused with a sentence.
// These are hooks of Node's module loader; they run in a thread of their own.
import { readFile } from 'node:fs/promises'
import type { LoadHook } from 'node:module'
import { fileURLToPath } from 'node:url'

export const load: LoadHook = async (url, context, next) => {
  if (!/^file:.*\.m?ts$/.test(url)) return next(url, context)
  const path = fileURLToPath(url)
  return { format: 'module', source: await withoutTypes(await readFile(path, 'utf8'), path), shortCircuit: true }
}

async function withoutTypes(source: string, filename: string): Promise<string> {
  const { transformSync } = await import('@swc/wasm-typescript')
  try {
    return transformSync(source, { mode: 'strip-only', module: true, filename }).code
  } catch (error) {
    throw new SyntaxError(`${filename}: ${sentence(error)}`)
  }
}

/** The library throws an object with a message, or a text with the source around the place. */
function sentence(error: unknown): string {
  const { message = String(error), startLine } = error as { message?: string; startLine?: number }
  const text = message.replaceAll(/\s+/g, ' ').trim()
  return startLine === undefined ? text : `line ${startLine}: ${text}`
}
