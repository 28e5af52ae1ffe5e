// Where the recordings lie: beside the repository, or where MMTWIN_SHARED says.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const candidate: string = process.env.MMTWIN_SHARED ?? fileURLToPath(new URL('../../shared', import.meta.url))

/** Folder of the recordings, or null where it is absent. */
export const SHARED_FOLDER: string | null = existsSync(`${candidate}/truth`) ? candidate : null
