// Functions that an image refers to. A function cannot lie in the image, so the image keeps a number for it, as a kernel
// keeps the address of its text: the hash of its name. Law: one name, one function; a later one of a name replaces it.
import { BUG_ON } from '../base/bug.ts'
import type { Sys } from './mmzone.ts'

/** Makes an object of a cache ready for its users when its slab is made; `object` is a physical address.
 * It must write bytes of the object only. */
export interface Constructor {
  /** Names it in the image and in reports. */
  readonly name: string
  readonly construct: (sys: Sys, object: number) => void
}

const names = new Map<number, string>()
const constructors = new Map<number, Constructor>()

/** A name as a number other than 0 (FNV-1a). @ours */
export function text_number(name: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
  return hash >>> 0 || 1
}

/** The number of a function that calls, for records of who did what. @ours */
export function caller_text(name: string): number {
  const number = text_number(name)
  names.set(number, name)
  return number
}

/** The name of a number; its digits where nobody here gave it one. @kernel lib/vsprintf.c:symbol_string */
export function symbol_name(number: number): string {
  return names.get(number) ?? `0x${number.toString(16)}`
}

/** The number under which images know a constructor; 0 for none. A RangeError where two names have one number. @ours */
export function constructor_text(ctor: Constructor | null): number {
  if (ctor === null) return 0
  const number = text_number(ctor.name)
  const known = constructors.get(number)
  if (known && known.name !== ctor.name)
    throw new RangeError(`constructors ${ctor.name} and ${known.name} have one hash; rename one of them`)
  constructors.set(number, ctor)
  return number
}

/** The constructor of a number that is not 0. @ours */
export function constructor_of(number: number): Constructor {
  const ctor = constructors.get(number)
  BUG_ON(ctor === undefined, 'a constructor that nobody defined here', number)
  return ctor!
}
