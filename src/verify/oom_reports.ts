// Reports of kills and failed allocations, line by line. A recording is a folder with report.txt and, in before/, the
// files of the machine; the machine gets the report's counters, and must then print the same report: who is chosen,
// what limits the request, which nodes and zones are shown, sizes, marks, reserves, sums, layout.
import { out_of_memory } from '../mm/oom_kill.ts'
import { report_failure } from '../mm/warn_alloc.ts'
import { fillMemory } from './oom_report_facts.ts'
import { type LoggedReport, loggedReports } from './oom_report_lines.ts'
import { machineOfReport } from './oom_report_machine.ts'
import { fillTasks, requestOf } from './oom_report_tasks.ts'
import { type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

export const oomReportsKind: VerifyKind = {
  kind: 'oom reports',
  run(files) {
    const counts = tally('oom reports')
    for (const file of files.filter(({ path }) => /(^|\/)report\.txt(\.gz)?$/.test(path))) {
      const reports = loggedReports(file.text())
      if (reports.length === 0) continue
      counts.file(file.path)
      for (const report of reports) checkReport(counts, file, files, report)
    }
    return counts.result()
  },
}

function checkReport(counts: Tally, file: VerifyFile, files: readonly VerifyFile[], report: LoggedReport): void {
  const printed = printedBy(file, files, report)
  if (typeof printed === 'string') counts.check(report.lines[0]!.line, 'a report', printed)
  else {
    const most = Math.max(printed.length, report.lines.length)
    for (let i = 0; i < most; i++) {
      const line = report.lines[Math.min(i, report.lines.length - 1)]!.line
      counts.check(line, report.lines[i]?.text ?? '', printed[i] ?? '')
    }
  }
}

/** What the model prints, or a sentence why it cannot. */
function printedBy(file: VerifyFile, files: readonly VerifyFile[], report: LoggedReport): string[] | string {
  try {
    const sys = machineOfReport(file, files, report)
    const lines: string[] = []
    fillMemory(sys, report)
    const rows = fillTasks(sys, report)
    const request = requestOf(sys, report, rows)
    sys.printk = line => void lines.push(line)
    if (report.kind === 'oom') out_of_memory(sys, request)
    else report_failure(sys, request.gfp_mask, whatFailed(report.lines[0]!.text), request)
    return lines.filter(line => !line.startsWith('CPU: '))
  } catch (error) {
    return (error as Error).message
  }
}

const whatFailed = (head: string): string =>
  /: ((?:page allocation failure|vmalloc error): .*?), mode:0x/.exec(head)![1]!
