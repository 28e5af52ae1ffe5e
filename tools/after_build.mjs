// Last step of the build: removes what no source makes any more, writes the index behind `mmtwin where`, and makes the
// command executable.
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildWhereIndex } from '../dist/node/where.js'

const root = fileURLToPath(new URL('..', import.meta.url))

for (const entry of readdirSync(`${root}dist`, { recursive: true })) {
  const source = /^(.*?)(\.d)?\.(js|ts)(\.map)?$/.exec(String(entry))?.[1]
  if (source !== undefined && !existsSync(`${root}src/${source}.ts`)) rmSync(`${root}dist/${entry}`)
}
writeFileSync(`${root}dist/where.json`, `${JSON.stringify(buildWhereIndex(root))}\n`)
chmodSync(`${root}dist/cli/main.js`, 0o755)
