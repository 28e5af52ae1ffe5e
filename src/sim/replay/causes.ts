// Why the followed machine and the recording can differ: every kind of page that a trace does not show, as a counter.
// All are pages. Law: a cause is counted when it happens, never derived from the final difference.

/** The causes, in the order of their counters. */
export const CAUSES = [
  'bulkAllocated',
  'freedDirectly',
  'freedWhileFree',
  'allocatedWhileInUse',
  'allocatedFromBuddy',
  'allocatedWhileListed',
  'takenWhileListed',
  'takenWhileInUse',
  'drainedWhileFree',
  'drainedWhileInUse',
  'isolated',
  'isolatedUnseen',
  'outsideMemory',
] as const

export type Cause = (typeof CAUSES)[number]

/** What each cause is, for reports. */
export const CAUSE_TEXT: Readonly<Record<Cause, string>> = {
  bulkAllocated: 'taken from a per-CPU list without an event (alloc_pages_bulk: kernel stacks) and freed later',
  freedDirectly: 'freed by an interrupt to the buddy lists, because the per-CPU list was locked',
  freedWhileFree: 'freed although in a free block: taken without an event before (compaction, bulk)',
  allocatedWhileInUse: 'allocated although in use: freed without an event before',
  allocatedFromBuddy: 'allocated straight from a free block, without the event of leaving it',
  allocatedWhileListed: 'allocated as part of a larger block although on a per-CPU list',
  takenWhileListed: 'taken off a buddy list although on a per-CPU list: it had gone back without an event',
  takenWhileInUse: 'taken off a buddy list although in use: freed without an event before',
  drainedWhileFree: 'drained to the buddy lists although there already',
  drainedWhileInUse: 'drained although in use: freed without an event before',
  isolated: 'free blocks that compaction took (mm_compaction_isolate_freepages)',
  isolatedUnseen: 'pages that compaction says it took, of which no free block is known',
  outsideMemory: 'frames that no zone of the machine has',
}

/** Row of a cause's counter. */
export const CAUSE: Readonly<Record<Cause, number>> = Object.fromEntries(
  CAUSES.map((name, row) => [name, row]),
) as Record<Cause, number>
