// What the shell needs of the world around it to have swap areas in files.
import type { SwapStore } from '../mm/swap_bytes.ts'

/** Files that can be swap areas. All throw an Error of one sentence, its name UserError, where a path is of no use. */
export interface SwapHost {
  /** One name for one file, whatever it is called. */
  identify(path: string): string
  /** The first 64 KiB of a file, zeros behind its end, and how long it is. */
  inspect(path: string): { readonly head: Uint8Array; readonly bytes: number }
  /** Makes a file as long as it shall be (undefined = as it is) and writes its first page. */
  format(path: string, bytes: number | undefined, first: Uint8Array): void
  /** The pages of a file, for an area. */
  open(path: string, pageBytes: number): SwapStore
  /** Sixteen bytes that no other area has. */
  uuid(): Uint8Array
}
