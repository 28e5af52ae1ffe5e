// The cyclic redundancy check of Ethernet and zip, bits in reverse, as the kernel's crc32() has it: it goes on from a
// seed and inverts nothing.

const POLYNOMIAL = 0xedb88320

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value & 1) !== 0 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1
  return value
})

/** The check of bytes `from` … `to` - 1, going on from `seed`. */
export function crc32(seed: number, bytes: Uint8Array, from = 0, to: number = bytes.length): number {
  let crc = seed
  for (let at = from; at < to; at++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[at]!) & 0xff]!
  return crc >>> 0
}

/** The same for `count` zeros. */
export function crc32_zeros(seed: number, count: number): number {
  let crc = seed
  if (crc === 0) return 0
  for (let at = 0; at < count; at++) crc = (crc >>> 8) ^ TABLE[crc & 0xff]!
  return crc >>> 0
}
