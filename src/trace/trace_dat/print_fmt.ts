// The `print fmt` of an event format: the kernel's own rule how a record becomes text. It is parsed once per event and
// used for the values that the record does not hold as a field: the names of gfp flags, zones, results, whether
// an object was accounted. C expressions over REC->field, with __print_flags, __print_symbolic and __get_str.
// What it cannot compute (an unknown identifier) is null, never a guess.

export type Value = number | string
/** Gives a field of the record in hand. */
export type Fields = (name: string) => Value
export type Expression = (record: Fields) => Value

/** One conversion of a print format. */
export interface PrintArgument {
  /** The text before the conversion, without blanks around it and without 0x at its end. */
  readonly key: string
  /** null where the expression has something unknown. */
  readonly value: Expression | null
  /** Field names the expression reads. */
  readonly fields: readonly string[]
}

const TOKEN =
  /\s*(0[xX][0-9a-fA-F]+|\d+|[A-Za-z_]\w*|"(?:[^"\\]|\\.)*"|->|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^~!<>?:(){}[\],.;])/y
const CONVERSION = /%[-+ 0#]*\d*(?:\.\d+)?(?:hh|h|ll|l|z|t)?([a-zA-Z])(?:[SsKxB]\b)?/g

/** Parses `"format", arg, arg …`. An argument that cannot be parsed is null; a broken format gives []. */
export function parsePrintFormat(text: string): PrintArgument[] {
  let tokens: string[]
  try {
    tokens = tokenize(text)
  } catch {
    return []
  }
  let format = ''
  let i = 0
  for (; tokens[i]?.startsWith('"'); i++) format += unquote(tokens[i]!)
  const args = splitArguments(tokens.slice(i))
  return conversions(format).map((key, n) => argument(key, args[n] ?? []))
}

function tokenize(text: string): string[] {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const match = TOKEN.exec(text)
    if (!match) throw new SyntaxError('print format')
    tokens.push(match[1]!)
    // Suffixes of numbers (u, ul, ull) are taken as identifiers by no C compiler: drop them here.
    if (/^\d/.test(match[1]!)) TOKEN.lastIndex += /^[uUlL]*/.exec(text.slice(TOKEN.lastIndex))![0].length
  }
  return tokens
}

function unquote(token: string): string {
  return token.slice(1, -1).replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c === 't' ? '\t' : c))
}

function conversions(format: string): string[] {
  const keys: string[] = []
  let at = 0
  for (const match of format.replaceAll('%%', '  ').matchAll(CONVERSION)) {
    keys.push(normalKey(format.slice(at, match.index)))
    at = match.index + match[0].length
  }
  return keys
}

/** The part of a literal that names the value behind it. */
export function normalKey(literal: string): string {
  return literal
    .replace(/^(?:kB|B)?,? */, '')
    .replace(/0x$/, '')
    .trim()
}

function splitArguments(tokens: readonly string[]): string[][] {
  const args: string[][] = []
  let depth = 0
  for (const token of tokens) {
    if (token === ',' && depth === 0) args.push([])
    else args.at(-1)?.push(token)
    if (token === '(' || token === '{') depth++
    else if (token === ')' || token === '}') depth--
  }
  return args
}

function argument(key: string, tokens: readonly string[]): PrintArgument {
  const parser = new Parser(tokens)
  try {
    const value = parser.whole()
    return { key, value, fields: [...parser.fields] }
  } catch {
    return { key, value: null, fields: [] }
  }
}

const BINARY: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<', '<=', '>', '>='],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
]

class Parser {
  readonly fields: Set<string> = new Set()
  readonly #tokens: readonly string[]
  #at = 0

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens
  }

  whole(): Expression {
    const value = this.#ternary()
    if (this.#at < this.#tokens.length) throw new SyntaxError('text behind an expression')
    return value
  }

  #peek(ahead = 0): string | undefined {
    return this.#tokens[this.#at + ahead]
  }

  #next(): string {
    const token = this.#tokens[this.#at++]
    if (token === undefined) throw new SyntaxError('expression ends early')
    return token
  }

  #expect(token: string): void {
    if (this.#next() !== token) throw new SyntaxError(`${token} expected`)
  }

  #ternary(): Expression {
    const condition = this.#binary(0)
    if (this.#peek() !== '?') return condition
    this.#at++
    const yes = this.#ternary()
    this.#expect(':')
    const no = this.#ternary()
    return record => (condition(record) ? yes(record) : no(record))
  }

  #binary(level: number): Expression {
    if (level === BINARY.length) return this.#unary()
    let left = this.#binary(level + 1)
    while (BINARY[level]!.includes(this.#peek() ?? '')) {
      const operator = this.#next()
      const a = left
      const b = this.#binary(level + 1)
      left = record => operate(operator, Number(a(record)), Number(b(record)))
    }
    return left
  }

  #unary(): Expression {
    const token = this.#peek()
    if (token === '-' || token === '~' || token === '!' || token === '+') {
      this.#at++
      const operand = this.#unary()
      if (token === '+') return operand
      return record => {
        const v = Number(operand(record))
        if (token === '!') return v ? 0 : 1
        return token === '-' ? -v : -1 - v
      }
    }
    if (token === '(' && this.#castLength() > 0) {
      this.#at += this.#castLength()
      return this.#unary()
    }
    return this.#primary()
  }

  /** Tokens of a cast "(type)" at the current position, or 0: identifiers and stars only, an operand behind it. */
  #castLength(): number {
    let n = 1
    while (/^(?:[A-Za-z_]\w*|\*)$/.test(this.#peek(n) ?? '')) n++
    if (n === 1 || this.#peek(n) !== ')' || this.#peek(1) === 'REC') return 0
    return /^(?:\(|~|-|!|\d|[A-Za-z_"])/.test(this.#peek(n + 1) ?? '') ? n + 1 : 0
  }

  #primary(): Expression {
    const token = this.#next()
    if (token === '(') {
      const inner = this.#ternary()
      this.#expect(')')
      return inner
    }
    if (token.startsWith('"')) {
      const text = unquote(token)
      return () => text
    }
    if (/^\d/.test(token)) {
      const number = Number(/^0\d/.test(token) ? `0o${token.slice(1)}` : token)
      return () => number
    }
    if (token === 'REC') {
      this.#expect('->')
      return this.#field(this.#next())
    }
    return this.#call(token)
  }

  #field(name: string): Expression {
    this.fields.add(name)
    return record => record(name)
  }

  #call(name: string): Expression {
    if (this.#peek() !== '(') throw new SyntaxError(`unknown identifier ${name}`)
    this.#at++
    if (name === '__get_str') {
      const field = this.#field(this.#next())
      this.#expect(')')
      return field
    }
    if (name !== '__print_flags' && name !== '__print_symbolic') throw new SyntaxError(`unknown function ${name}`)
    const value = this.#ternary()
    this.#expect(',')
    const delimiter = name === '__print_flags' ? unquote(this.#next()) : ''
    if (name === '__print_flags') this.#expect(',')
    const pairs = this.#pairs()
    this.#expect(')')
    return name === '__print_flags'
      ? record => flagNames(Number(value(record)), delimiter, pairs)
      : record => symbolName(Number(value(record)), pairs)
  }

  /** `{value, "name"}, …`; a pair whose value is unknown is left out. */
  #pairs(): [number, string][] {
    const pairs: [number, string][] = []
    while (this.#peek() === '{') {
      this.#at++
      const start = this.#at
      let value = Number.NaN
      try {
        value = Number(this.#ternary()(() => Number.NaN))
      } catch {
        this.#at = start
        for (let depth = 0; depth > 0 || this.#peek() !== ','; this.#at++) {
          if (this.#peek() === '(') depth++
          else if (this.#peek() === ')') depth--
          else if (this.#peek() === undefined) throw new SyntaxError('a pair without end')
        }
      }
      this.#expect(',')
      const name = unquote(this.#next())
      this.#expect('}')
      if (!Number.isNaN(value)) pairs.push([value, name])
      if (this.#peek() === ',') this.#at++
    }
    return pairs
  }
}

function operate(operator: string, a: number, b: number): number {
  switch (operator) {
    case '||':
      return a || b ? 1 : 0
    case '&&':
      return a && b ? 1 : 0
    case '==':
      return a === b ? 1 : 0
    case '!=':
      return a !== b ? 1 : 0
    case '<':
      return a < b ? 1 : 0
    case '<=':
      return a <= b ? 1 : 0
    case '>':
      return a > b ? 1 : 0
    case '>=':
      return a >= b ? 1 : 0
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
      return Math.trunc(a / b)
    case '%':
      return a % b
    default:
      return bits(operator, a, b)
  }
}

/** The bit operators on 64-bit integers; results are signed. */
function bits(operator: string, a: number, b: number): number {
  if (!Number.isInteger(a) || !Number.isInteger(b)) return Number.NaN
  const x = BigInt(a)
  const y = BigInt(b)
  const result =
    operator === '&' ? x & y : operator === '|' ? x | y : operator === '^' ? x ^ y : operator === '<<' ? x << y : x >> y
  return Number(BigInt.asIntN(64, result))
}

/** As the kernel prints flags: names whose bits are all set, in the order of the table; what is left as a number. */
function flagNames(value: number, delimiter: string, pairs: readonly [number, string][]): string {
  let left = value
  const names: string[] = []
  for (const [mask, name] of pairs) {
    if (left === 0) break
    if (bits('&', left, mask) !== mask) continue
    names.push(name)
    left = bits('&', left, -1 - mask)
  }
  if (left !== 0) names.push(hex(left))
  return names.join(delimiter)
}

function symbolName(value: number, pairs: readonly [number, string][]): string {
  return pairs.find(([number]) => number === value)?.[1] ?? hex(value)
}

/** A damaged format may compute with what is no number. */
function hex(value: number): string {
  if (!Number.isInteger(value)) return '?'
  return `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`
}
