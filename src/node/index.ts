// mmtwin on Node: the same machine with files. What cannot be read throws an error whose message is one sentence that
// begins with the file.

export { type AccessFilesOptions, type AccessReport, replayAccesses } from './access_files.ts'
export { writeAccessHtml } from './access_html.ts'
export { loadMachine, type MachineChoices, readDescription } from './machine_file.ts'
export { type ReplayFilesOptions, replayTrace } from './replay_files.ts'
export { writeReplayHtml } from './replay_html/index.ts'
export { replayView } from './replay_view.ts'
export { readSnapshotDir, readSnapshotFiles, SnapshotDirError } from './snapshot_dir.ts'
export { readTrace, type TraceInputOptions } from './trace_input.ts'
export { UserError } from './user_error.ts'
export { readText, verifyFiles } from './verify_files.ts'
export { loadWhereIndex } from './where.ts'
