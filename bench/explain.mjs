// How fast is a large kernel log searched for reports and explained, against `grep -c` on the same file, and does memory
// grow with it?
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { alternate, build, row, runNode } from './lib.mjs'

export const title = 'explain'
const FILE = `${build}kernel.log`
const CLI = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const MOST = 4

/** CPU time of a command, by the shell that runs it; its output is thrown away. */
function timed(words) {
  const script = 'TIMEFORMAT="%U %S"; time "$@" > /dev/null'
  const { stderr, status } = spawnSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' })
  const [user, system] = stderr.trim().split('\n').at(-1).split(' ').map(Number)
  if (status !== 0 || !(user >= 0)) throw new Error(`${words.join(' ')}: ${stderr}`)
  return { ns: 1e9 * (user + system) }
}

const compared = (what, ours, grep, size) => {
  const figure = `${(ours / grep).toFixed(1)}× grep (${((size * 1e3) / ours).toFixed(0)} MB/s)`
  return row('', what, figure, `≤ ${MOST}× grep`, ours <= MOST * grep)
}

export function run() {
  const { bytes, reports } = runNode('make_log', FILE, 500)
  runNode('make_log', `${FILE}.small`, 50)
  // Not into a file that is no file: grep would stop at the first line.
  const { grep, scan, command } = alternate({
    grep: () => timed(['sh', '-c', `grep -c oom-killer ${FILE} | cat`]),
    scan: () => runNode('scan_log', FILE),
    command: () => timed([process.execPath, CLI, 'explain', '--json', FILE]),
  })
  const [small, large] = [`${FILE}.small`, FILE].map(file => runNode('scan_log', file).memory)
  const more = ((large / small - 1) * 100).toFixed(1)
  return [
    compared(`a log of ${Math.round(bytes / 1e6)} MB searched for reports`, scan.ns, grep.ns, bytes),
    compared(`… and its ${reports} reports explained, as a whole command`, command.ns, grep.ns, bytes),
    row(
      '',
      '… peak memory, of 50 MB and of 500 MB',
      `${Math.round(small)} MiB, ${more} % more`,
      '≤ 5 % more',
      more <= 5,
    ),
  ]
}
