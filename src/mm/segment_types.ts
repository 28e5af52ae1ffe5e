// Segment registers and descriptor tables of 32-bit x86: one row a CPU. A register has a visible part, the selector, and a
// hidden one, the descriptor as it was when the register was loaded.
import { f64, i32, u16, u32 } from '../image/table.ts'

/** @kernel arch/x86/include/asm/segment.h */
export const SEGMENT = {
  selector: u16('selectors of ES, CS, SS, DS, FS, GS', 6),
  lo: u32('hidden parts: low words of their descriptors', 6),
  hi: u32('hidden parts: high words; 0 = null selector', 6),
  gdt_pfn: i32('frame + 1 of the GDT; 0 = no segmentation'),
  ldt_page: f64('page number of the address of the LDT of the running process; 0 = none'),
  ldt_entries: i32('entries of the LDT'),
} as const
