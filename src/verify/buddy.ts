// Page-allocator scripts (custom, part D): every frame, every failure, and the complete state afterwards.
import { playRecording } from './script_player.ts'
import { tally, type VerifyKind } from './types.ts'

/** Scripts lie in folders named buddy. */
const BUDDY_FILE = /(^|\/)buddy\/.*\.jsonl(\.gz)?$/

export const buddyKind: VerifyKind = {
  kind: 'buddy',
  run(files) {
    const counts = tally('buddy')
    for (const file of files.filter(({ path }) => BUDDY_FILE.test(path))) playRecording(file, counts, () => {})
    return counts.result()
  },
}
