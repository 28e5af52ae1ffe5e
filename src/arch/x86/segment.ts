// x86 segment descriptors: eight bytes that say where a segment begins, how long it is, and who may do what with it.
// A descriptor is kept as its two words. Law: encode and decode are each other's inverse for every descriptor.

/** A descriptor as it lies in memory. */
export interface Descriptor {
  readonly lo: number
  readonly hi: number
}

/** What a descriptor says. @kernel arch/x86/include/asm/desc_defs.h:struct desc_struct */
export interface Segment {
  readonly base: number
  /** Last offset, in bytes, or in pages where `g` is set: as it stands in the descriptor, 20 bits. */
  readonly limit: number
  /** Data: 1 accessed, 2 writable, 4 expands down. Code: 1 accessed, 2 readable, 4 conforming, 8 always. */
  readonly type: number
  /** 1 = code or data, 0 = system (TSS, LDT, gates). */
  readonly s: number
  readonly dpl: number
  readonly p: number
  /** For software. */
  readonly avl: number
  /** 1 = 64-bit code. */
  readonly l: number
  /** 1 = 32-bit. */
  readonly d: number
  /** 1 = the limit counts pages. */
  readonly g: number
}

export const EMPTY_DESCRIPTOR: Descriptor = { lo: 0, hi: 0 }

/** @kernel arch/x86/include/asm/desc_defs.h:struct desc_struct */
export function encode_segment(segment: Segment): Descriptor {
  const { base, limit, type, s, dpl, p, avl, l, d, g } = segment
  return {
    lo: ((limit & 0xffff) | (base << 16)) >>> 0,
    hi:
      (((base >>> 16) & 0xff) |
        (type << 8) |
        (s << 12) |
        (dpl << 13) |
        (p << 15) |
        (limit & 0xf0000) |
        (avl << 20) |
        (l << 21) |
        (d << 22) |
        (g << 23) |
        (base & 0xff000000)) >>>
      0,
  }
}

/** What a descriptor says. @ours */
export function decode_segment({ lo, hi }: Descriptor): Segment {
  return {
    base: ((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff000000)) >>> 0,
    limit: (lo & 0xffff) | (hi & 0xf0000),
    type: (hi >>> 8) & 15,
    s: (hi >>> 12) & 1,
    dpl: (hi >>> 13) & 3,
    p: (hi >>> 15) & 1,
    avl: (hi >>> 20) & 1,
    l: (hi >>> 21) & 1,
    d: (hi >>> 22) & 1,
    g: (hi >>> 23) & 1,
  }
}

/** A descriptor of the kernel's tables: `flags` has type, s, dpl, p in bits 0 … 7 and avl, l, d, g in bits 12 … 15.
 * @kernel arch/x86/include/asm/desc_defs.h:GDT_ENTRY_INIT */
export function GDT_ENTRY_INIT(flags: number, base: number, limit: number): Descriptor {
  return encode_segment({
    base,
    limit,
    type: flags & 15,
    s: (flags >> 4) & 1,
    dpl: (flags >> 5) & 3,
    p: (flags >> 7) & 1,
    avl: (flags >> 12) & 1,
    l: (flags >> 13) & 1,
    d: (flags >> 14) & 1,
    g: (flags >> 15) & 1,
  })
}

/** Last offset in bytes. @kernel arch/x86/include/asm/desc.h:get_desc_limit */
export function segment_limit({ limit, g }: Segment): number {
  return g === 1 ? limit * 4096 + 4095 : limit
}

/** What set_thread_area and modify_ldt are asked for. @kernel arch/x86/include/uapi/asm/ldt.h:struct user_desc */
export interface UserDesc {
  readonly entry_number: number
  readonly base_addr: number
  readonly limit: number
  readonly seg_32bit: number
  /** 0 data, 1 data that expands down, 2 code, 3 conforming code. */
  readonly contents: number
  readonly read_exec_only: number
  readonly limit_in_pages: number
  readonly seg_not_present: number
  readonly useable: number
}

/** A user's segment: always of privilege 3, never 64-bit, and accessed, since the table may be mapped read-only.
 * @kernel arch/x86/include/asm/desc.h:fill_ldt */
export function fill_ldt(info: UserDesc): Descriptor {
  return encode_segment({
    base: info.base_addr,
    limit: info.limit,
    type: ((info.read_exec_only ^ 1) << 1) | (info.contents << 2) | 1,
    s: 1,
    dpl: 3,
    p: info.seg_not_present ^ 1,
    avl: info.useable,
    l: 0,
    d: info.seg_32bit,
    g: info.limit_in_pages,
  })
}

/** A descriptor in 16 hexadecimal digits. @ours */
export function format_descriptor({ lo, hi }: Descriptor): string {
  return hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0')
}

/** The descriptor of 16 hexadecimal digits. @ours */
export function parse_descriptor(text: string): Descriptor {
  return { hi: Number.parseInt(text.slice(0, 8), 16), lo: Number.parseInt(text.slice(8, 16), 16) }
}
