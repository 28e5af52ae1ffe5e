// Byte for byte: every /proc file of every recording, read and written again, is the file, and nothing in it is damage.
// A case of the golden folder is a folder of captured files.
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { describeShared, SHARED } from '../../shared.ts'
import { filesByName, firstDifference, KINDS, textOf } from './kinds.ts'

function everyKind(folder: string): void {
  const files = filesByName(folder)
  for (const { names, read, roundTrip } of KINDS) {
    const paths = names.flatMap(name => files.get(name) ?? [])
    it(`${names.join(', ')}: ${paths.length} files`, () => {
      expect(paths.length).toBeGreaterThan(0)
      for (const path of paths) {
        const text = textOf(path)
        expect(firstDifference(text, roundTrip(text)), path).toBeNull()
        expect(read(text).diagnostics, path).toEqual([])
      }
    })
  }
}

describe('golden files, read and written again', () =>
  everyKind(fileURLToPath(new URL('../../golden/proc', import.meta.url))))
describeShared('every recorded file, read and written again', () => everyKind(`${SHARED}/truth`))
