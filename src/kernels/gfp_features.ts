// What differs between the kernels' GFP masks. Data only: the tables are made of it by `gfp_table`.
import type { GfpFeatures } from '../mm/gfp.ts'

/** GFP_ATOMIC prints for 0xa20, GFP_NOWAIT for 0x800. @kernel include/linux/gfp_types.h:GFP_ATOMIC */
export const GFP_6_1: GfpFeatures = { ATOMIC_BIT: true, NOWAIT_NOWARN: false, GFP_BITS_SHIFT: 27 }

/** GFP_ATOMIC prints for 0x820, GFP_NOWAIT for 0x2800; the last bit is __GFP_NO_OBJ_EXT.
 * @kernel include/linux/gfp_types.h:GFP_ATOMIC */
export const GFP_6_12: GfpFeatures = { ATOMIC_BIT: false, NOWAIT_NOWARN: true, GFP_BITS_SHIFT: 25 }
