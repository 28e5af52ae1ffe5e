// The name of the folder that a recording makes when nobody names one.
import { existsSync } from 'node:fs'

/** `NAME-1`, or the first such name that is not there yet. */
export function freeFolder(name: string): string {
  let number = 1
  while (existsSync(`${name}-${number}`)) number++
  return `${name}-${number}`
}
