// `--set`: one group of settings for a twin, as `vm.min_free_kbytes=8192,vm.watermark_scale_factor=50`.

/** Settings by their names without `vm.`. */
export type Settings = Readonly<Record<string, string>>

/** A group of settings; they are separated by commas or blanks, values may contain both.
 * @throws RangeError for a part that is not NAME=VALUE */
export function parseSettings(text: string): Settings {
  const settings: Record<string, string> = {}
  for (const part of text.trim().split(/[,\s]+(?=[\w./]+\s*=)/)) {
    const [, name, value] = /^(?:vm[./])?(\w+)\s*=\s*(.+)$/.exec(part) ?? []
    if (name === undefined || value === undefined) throw new RangeError(`--set ${text}: "${part}" is not NAME=VALUE`)
    settings[name] = value
  }
  return settings
}
