// Says, before any test runs, which recordings the tests can use.
import { readdirSync } from 'node:fs'
import { SHARED_FOLDER } from './shared_folder.ts'

export default function setup(): void {
  if (SHARED_FOLDER === null) {
    console.log(
      'recordings: none at ../shared, only the samples in test/golden; tests that need more are skipped by name',
    )
    return
  }
  const groups = ['custom', 'stock'].map(group => {
    const names = folders(`${SHARED_FOLDER}/truth/${group}`)
    return `${group} (${names.length === 0 ? 'none' : names.join(', ')})`
  })
  console.log(`recordings: ${SHARED_FOLDER}/truth: ${groups.join('; ')}`)
}

function folders(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true })
    return entries.filter(entry => entry.isDirectory() && entry.name !== 'programs').map(entry => entry.name)
  } catch {
    return []
  }
}
