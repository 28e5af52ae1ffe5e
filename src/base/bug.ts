// Our own mistakes. The caller's mistakes are RangeErrors, the machine's are kernel return values and events.

/** A law of the model that does not hold: a fault of this program, never of its user. */
export class KernelBug extends Error {
  override readonly name: string = 'KernelBug'
}

/** Stops when `condition` holds; `detail` are the numbers that show why. */
export function BUG_ON(condition: boolean, message: string, ...detail: number[]): void {
  if (condition) throw new KernelBug(detail.length ? `${message} (${detail.join(', ')})` : message)
}
