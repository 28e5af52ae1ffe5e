// SLUB without debugging on one node, as plain lists: each CPU owns one slab and a list of partial ones, the node keeps
// the partial slabs that no CPU owns, and nobody lists full slabs.

export interface RefSlab {
  /** -1 until the machine's first object of it is seen. */
  pfn: number
  /** Free objects that no CPU took, the next one first. */
  free: number[]
  /** Who has it: a CPU's own slab, a CPU's list, the node's list, or nobody because it is full. */
  where: 'cpu' | 'cpu partial' | 'node' | 'full'
}

interface RefCpu {
  slab: RefSlab | null
  /** Free objects of its slab that only this CPU sees. */
  free: number[]
  partial: RefSlab[]
}

export class SlubReference {
  readonly node: RefSlab[] = []
  readonly cpus: RefCpu[]
  /** Slabs that exist, full ones, too. */
  readonly slabs = new Set<RefSlab>()
  private readonly objects: number
  private readonly minPartial: number
  private readonly cpuPartialSlabs: number

  constructor(cpus: number, objects: number, minPartial: number, cpuPartialSlabs: number) {
    this.cpus = Array.from({ length: cpus }, () => ({ slab: null, free: [], partial: [] }))
    this.objects = objects
    this.minPartial = minPartial
    this.cpuPartialSlabs = cpuPartialSlabs
  }

  alloc(on: number): { slab: RefSlab; index: number } {
    const cpu = this.cpus[on]!
    if (cpu.free.length === 0) this.refill(cpu)
    return { slab: cpu.slab!, index: cpu.free.shift()! }
  }

  free(on: number, slab: RefSlab, index: number): void {
    const cpu = this.cpus[on]!
    if (cpu.slab === slab) {
      cpu.free.unshift(index)
      return
    }
    slab.free.unshift(index)
    if (slab.where === 'full') this.keep(cpu, slab)
    if (slab.where === 'node' && this.spare(slab)) {
      this.node.splice(this.node.indexOf(slab), 1)
      this.slabs.delete(slab)
    }
  }

  /** What others gave back to its slab; else another slab: of its list, of the node, a new one. */
  private refill(cpu: RefCpu): void {
    if (cpu.slab && cpu.slab.free.length === 0) {
      cpu.slab.where = 'full'
      cpu.slab = null
    }
    cpu.slab ??= cpu.partial.shift() ?? this.fromNode(cpu) ?? this.fresh()
    cpu.slab.where = 'cpu'
    cpu.free = cpu.slab.free
    cpu.slab.free = []
  }

  /** The first slab of the node; further ones go to the CPU's list, until they are more than half of what it may hold. */
  private fromNode(cpu: RefCpu): RefSlab | undefined {
    const first = this.node.shift()
    for (let more = 0; more <= this.cpuPartialSlabs >> 1 && this.node.length > 0; more++) {
      const slab = this.node.shift()!
      slab.where = 'cpu partial'
      cpu.partial.unshift(slab)
    }
    return first
  }

  private fresh(): RefSlab {
    const slab: RefSlab = { pfn: -1, free: Array.from({ length: this.objects }, (_, at) => at), where: 'cpu' }
    this.slabs.add(slab)
    return slab
  }

  /** A slab that was full goes to the CPU's list; where that holds enough, all of it moves to the node first. */
  private keep(cpu: RefCpu, slab: RefSlab): void {
    if (cpu.partial.length >= this.cpuPartialSlabs)
      for (const old of cpu.partial.splice(0)) {
        if (this.spare(old)) this.slabs.delete(old)
        else {
          old.where = 'node'
          this.node.push(old)
        }
      }
    slab.where = 'cpu partial'
    cpu.partial.unshift(slab)
  }

  /** An empty slab is given back where the node lists enough (itself among them, where it is listed). */
  private spare(slab: RefSlab): boolean {
    return slab.free.length === this.objects && this.node.length >= this.minPartial
  }
}
