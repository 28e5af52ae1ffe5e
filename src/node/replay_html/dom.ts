// The few things of a browser and of uPlot that `client.ts` uses, as types alone: the package is compiled without the
// DOM's types, so that no room can lean on a browser by accident.

export interface Style {
  getPropertyValue(name: string): string
}

export interface Context2d {
  fillStyle: unknown
  strokeStyle: unknown
  lineWidth: number
  fillRect(x: number, y: number, width: number, height: number): void
  beginPath(): void
  moveTo(x: number, y: number): void
  lineTo(x: number, y: number): void
  stroke(): void
  save(): void
  restore(): void
  rect(x: number, y: number, width: number, height: number): void
  clip(): void
  createPattern(image: Element, repetition: string): unknown
}

export interface Element {
  textContent: string
  readonly clientWidth: number
  readonly dataset: Record<string, string | undefined>
  width: number
  height: number
  getContext(kind: '2d'): Context2d
  querySelector(selector: string): Element | null
  querySelectorAll(selector: string): Iterable<Element>
  setAttribute(name: string, value: string): void
  getAttribute(name: string): string | null
  addEventListener(type: string, listener: (event: KeyEvent) => void): void
}

export interface KeyEvent {
  readonly key: string
  readonly shiftKey: boolean
  preventDefault(): void
}

export interface Page {
  readonly documentElement: Element
  getElementById(id: string): Element | null
  createElement(name: string): Element
}

export interface Browser {
  readonly document: Page
  readonly devicePixelRatio: number
  readonly uPlot: UPlotClass
  readonly ResizeObserver: new (callback: () => void) => { observe(element: Element): void }
  getComputedStyle(element: Element): Style
  matchMedia(query: string): { addEventListener(type: 'change', listener: () => void): void }
  addEventListener(type: string, listener: () => void): void
}

export interface UPlotClass {
  new (options: object, data: readonly unknown[], target: Element): UPlot
}

export interface UPlot {
  readonly ctx: Context2d
  readonly bbox: { readonly left: number; readonly top: number; readonly width: number; readonly height: number }
  readonly cursor: { readonly idx?: number | null }
  readonly scales: Readonly<Record<string, { readonly min?: number; readonly max?: number }>>
  readonly data: readonly (readonly (number | null)[])[]
  readonly height: number
  redraw(rebuildPaths?: boolean, recalcAxes?: boolean): void
  setData(data: readonly unknown[], resetScales?: boolean): void
  setScale(key: string, limits: { min: number; max: number }): void
  setCursor(position: { left: number; top: number }): void
  setSeries(index: number, options: { show: boolean }): void
  setSize(size: { width: number; height: number }): void
  valToPos(value: number, scale: string, canvasPixels?: boolean): number
}
