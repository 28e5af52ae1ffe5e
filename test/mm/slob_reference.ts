// SLOB told plainly: a page is an array of units, each free or not; a search looks at every unit.

export interface RefPage {
  pfn: number
  readonly taken: boolean[]
}

export class SlobReference {
  readonly units: number
  /** Pages with free units: for small, medium and large objects. */
  readonly lists: [RefPage[], RefPage[], RefPage[]] = [[], [], []]

  constructor(pageSize: number) {
    this.units = pageSize / 2
  }

  private listOf(size: number): RefPage[] {
    return this.lists[size < 256 ? 0 : size < 1024 ? 1 : 2]
  }

  /** The page and the unit of a block of `size` bytes; `align` counts from `ahead` bytes behind its begin. */
  alloc(size: number, align: number, ahead: number): { page: RefPage; unit: number } {
    const count = Math.ceil(size / 2)
    const list = this.listOf(size)
    for (const page of list) {
      const unit = this.fit(page, count, align, ahead)
      if (unit < 0) continue
      page.taken.fill(true, unit, unit + count)
      const at = list.indexOf(page)
      if (page.taken.every(Boolean)) list.splice(at, 1)
      else list.unshift(...list.splice(at))
      return { page, unit }
    }
    const page: RefPage = { pfn: -1, taken: new Array<boolean>(this.units).fill(false) }
    const unit = this.fit(page, count, align, ahead)
    page.taken.fill(true, unit, unit + count)
    if (!page.taken.every(Boolean)) list.unshift(page)
    return { page, unit }
  }

  /** First fit in the first run of free units that is long enough. */
  private fit(page: RefPage, count: number, align: number, ahead: number): number {
    for (const [start, length] of this.runs(page)) {
      let unit = start
      while ((unit * 2 + ahead) % align !== 0) unit++
      if (unit + count <= start + length) return unit
    }
    return -1
  }

  /** Free runs as pairs of unit and length. */
  runs({ taken }: RefPage): [number, number][] {
    const runs: [number, number][] = []
    taken.forEach((used, unit) => {
      const last = runs.at(-1)
      if (used) return
      if (last && last[0] + last[1] === unit) last[1]++
      else runs.push([unit, 1])
    })
    return runs
  }

  free(page: RefPage, unit: number, size: number): void {
    const full = page.taken.every(Boolean)
    page.taken.fill(false, unit, unit + Math.ceil(size / 2))
    const empty = !page.taken.some(Boolean)
    if (empty) for (const list of this.lists) if (list.includes(page)) list.splice(list.indexOf(page), 1)
    if (full && !empty) this.listOf(size).unshift(page)
  }
}
