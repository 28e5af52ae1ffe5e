// The machine that `--machine` names: a folder of files captured on a real one, or a description in JSON.
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { KernelConfig } from '../mm/kernel.ts'
import type { DescriptionBootOptions } from '../sim/boot.ts'
import { Machine } from '../sim/machine.ts'
import { type MachineDescription, parseMachineDescription } from '../sim/machine_description.ts'
import { readMachineDirs, sharedFolders } from './snapshot_dir.ts'
import { explainFileError, toldOf, UserError } from './user_error.ts'

/** Larger than any description; a trace or an image given by mistake is not read whole. */
const LARGEST_DESCRIPTION = 2 ** 20

/** What is told beside a machine file, which wins over what is in it. */
export interface MachineChoices {
  readonly memory?: string
  readonly cpus?: number
  readonly kernel?: string
  readonly slab?: NonNullable<MachineDescription['slab']>
  /** Switches of the kernel that differ, beside those of the machine file. */
  readonly config?: Partial<KernelConfig>
  readonly commandLine?: string
  /** Its kernel is built with KASAN, and reports every mistake. */
  readonly kasan?: boolean
  readonly seed?: number
}

/** A machine of a folder, of a JSON file, or of the choices alone (1 GiB, one CPU).
 * @throws UserError for a path that cannot be read, RangeError for a machine that cannot be */
export function loadMachine(
  path: string | undefined,
  choices: MachineChoices,
  options: DescriptionBootOptions = {},
): Machine {
  if (path !== undefined && isFolder(path)) {
    const extra = Object.keys(choices).filter(name => name !== 'seed')
    if (extra.length > 0) throw new UserError(`${path}: a captured machine has its own ${extra.join(', ')}`)
    return toldOf(path, () => Machine.restore(readMachineDirs([path], sharedFolders(dirname(path)))))
  }
  const { seed, kasan = false, ...fields } = choices
  const file = path === undefined ? { memory: '1G' } : readDescription(path)
  const asked = { ...file, ...fields, ...withSwitches(file, choices) }
  const machine = kasan ? withKasan(asked) : asked
  return toldOf(path, () => Machine.boot(machine, seed === undefined ? options : { ...options, seed }))
}

/** The switches of a description and those that were chosen beside it. */
export function withSwitches(
  file: Partial<MachineDescription>,
  { config }: MachineChoices,
): Pick<MachineChoices, 'config'> {
  return config === undefined ? {} : { config: { ...file.config, ...config } }
}

function withKasan(machine: MachineDescription): MachineDescription {
  const commandLine = `${machine.commandLine ?? ''} kasan_multi_shot`.trim()
  return { ...machine, config: { ...machine.config, KASAN: true }, commandLine }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch (error) {
    throw explainFileError(path, error)
  }
}

/** A description in a JSON file. @throws UserError for what is none */
export function readDescription(path: string): MachineDescription {
  let text: string
  try {
    const { size } = statSync(path)
    if (size > LARGEST_DESCRIPTION) throw new UserError(`${path}: ${size} bytes, too large for a machine description`)
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw explainFileError(path, error)
  }
  return toldOf(path, () => parseMachineDescription(parseJson(path, text)))
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    const reason = (error as Error).message.replaceAll(/\s+/g, ' ')
    const [, at] = /at position (\d+)/.exec(reason) ?? []
    const line = at === undefined ? 1 : text.slice(0, Number(at)).split('\n').length
    throw new UserError(`${path}: line ${line}: no machine description in JSON: ${reason}`)
  }
}
