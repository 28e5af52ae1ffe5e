// HTML by tagged template.
// Law: whatever is put into a template is text and is escaped, unless it is itself Html that a template made. Names of
// tasks, call sites and files come from traces, and a trace may hold anything.

/** Markup that is known to be safe. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toString(): string {
    return this.text
  }
}

/** What may stand in a template. */
export type Part = string | number | Html | readonly Part[]

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text with what HTML would read as markup escaped, and with control characters made visible. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, char => ENTITIES[char]!).replace(CONTROL, visible)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Controls, and marks that turn the direction of text, would show something else than the name that is there. */
function visible(char: string): string {
  const code = char.charCodeAt(0)
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : '\ufffd'
}

function rendered(part: Part): string {
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map(rendered).join('')
  return escapeHtml(String(part))
}

/** Markup; every value is escaped where it is no Html. */
export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(texts.map((text, index) => text + (index < parts.length ? rendered(parts[index]!) : '')).join(''))
}

export interface TableOptions {
  readonly caption: string
  readonly head: readonly Part[]
  /** The first cell of a row is its heading. */
  readonly rows: readonly (readonly Part[])[]
  /** Columns that hold text: to the left. */
  readonly text?: readonly number[]
}

/** A table that scrolls within itself where the page is narrow. */
export function table({ caption, head, rows, text = [] }: TableOptions): Html {
  const side = (column: number): Html => new Html(text.includes(column) ? ' class="text"' : '')
  const heads = head.map((cell, column) => html`<th scope="col"${side(column)}>${cell}</th>`)
  const body = rows.map(
    ([first = '', ...rest]) =>
      html`<tr><th scope="row">${first}</th>${rest.map((cell, i) => html`<td${side(i + 1)}>${cell}</td>`)}</tr>\n`,
  )
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption>
<thead><tr>${heads}</tr></thead>
<tbody>${body}</tbody></table></div>
`
}
