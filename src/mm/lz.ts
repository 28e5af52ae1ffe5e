// A small compressor of the LZ77 kind, in the block format of LZ4: runs of bytes as they are, and copies of at least four
// bytes from at most 65535 bytes before. It finds copies as the fast ones do: one place for each hash of four bytes.
// Law: what it writes can be unpacked to the same bytes; equal pages have equal sizes.

const HASH_BITS = 12
const MIN_MATCH = 4
/** The last bytes of a block are never a copy. */
const LAST_LITERALS = 5
/** No copy begins nearer to the end than this. */
const MATCH_LIMIT = 12
const table = new Int32Array(1 << HASH_BITS)

const word = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)

/** Packs bytes [from, from + length) into `out` (null = only their packed size is wanted); returns the size.
 * @ours as lib/lz4 and lib/lzo do for zram and zswap */
export function lz_compress(bytes: Uint8Array, from: number, length: number, out: Uint8Array | null): number {
  const end = from + length
  table.fill(-1)
  let anchor = from
  let size = 0
  let misses = 0
  for (let at = from; at < end - MATCH_LIMIT; ) {
    const four = word(bytes, at)
    const slot = Math.imul(four, 2654435761) >>> (32 - HASH_BITS)
    const before = table[slot]!
    table[slot] = at
    if (before < 0 || at - before > 0xffff || word(bytes, before) !== four) {
      // What does not compress is passed faster and faster.
      at += 1 + (misses++ >> 6)
      continue
    }
    misses = 0
    let match = MIN_MATCH
    while (at + match < end - LAST_LITERALS && bytes[before + match] === bytes[at + match]) match++
    size = put_sequence(bytes, anchor, at - anchor, at - before, match, out, size)
    at += match
    anchor = at
  }
  return put_sequence(bytes, anchor, end - anchor, 0, 0, out, size)
}

/** Bytes as they are, then a copy (`match` 0 = none: the end). */
function put_sequence(
  bytes: Uint8Array,
  from: number,
  literals: number,
  distance: number,
  match: number,
  out: Uint8Array | null,
  at: number,
): number {
  const longer = match === 0 ? 0 : match - MIN_MATCH
  let size = at
  if (out !== null) out[size] = (Math.min(literals, 15) << 4) | Math.min(longer, 15)
  size = put_length(literals, out, size + 1)
  if (out !== null) for (let i = 0; i < literals; i++) out[size + i] = bytes[from + i]!
  size += literals
  if (match === 0) return size
  if (out !== null) {
    out[size] = distance
    out[size + 1] = distance >> 8
  }
  return put_length(longer, out, size + 2)
}

/** What a length has above the 15 that fit into four bits. */
function put_length(length: number, out: Uint8Array | null, at: number): number {
  if (length < 15) return at
  let [left, size] = [length - 15, at]
  for (; left >= 255; left -= 255) {
    if (out !== null) out[size] = 255
    size++
  }
  if (out !== null) out[size] = left
  return size + 1
}
