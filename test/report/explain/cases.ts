// The labelled reports: a few recorded ones that are always there, and all those beside the recordings.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { verifyFiles } from '../../../src/node/verify_files.ts'
import type { Label } from '../../../src/verify/explain.ts'
import { SHARED_FOLDER } from '../../shared_folder.ts'
import { ROOT } from '../../sources.ts'

export interface Case {
  readonly name: string
  readonly label: Label
  readonly text: string
}

const GOLDEN = `${ROOT}test/golden/explain`
function casesIn(folder: string, labels: string): Case[] {
  return verifyFiles(labels).map(({ path, text }) => {
    const label = JSON.parse(text()) as Label
    const [source] = verifyFiles(join(folder, label.source, '..')).filter(file =>
      label.source.endsWith(`/${file.path}`),
    )
    return { name: path.replace(/\.json$/, ''), label, text: source!.text() }
  })
}

export const golden: readonly Case[] = casesIn(GOLDEN, `${GOLDEN}/labels`)

/** All labelled reports; those of the repository where the others are not there. */
export function allCases(): readonly Case[] {
  const labels = SHARED_FOLDER === null ? null : join(SHARED_FOLDER, 'explain', 'labels')
  return labels !== null && existsSync(labels) ? casesIn(SHARED_FOLDER!, labels) : golden
}
