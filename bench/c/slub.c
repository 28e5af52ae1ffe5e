// SLUB's way of an object in C, on the machine's own columns: from the image that the bench wrote, with free pointers in the
// bytes of free objects, a bit a live object, and slabs from the page allocator of page_alloc.h.
// Law: the same operations end in the same image, byte for byte, and hand out the same objects.
// `slub IMAGE CACHE LIVE BATCHES OPS SEED UNRECLAIMABLE EVENT…` prints { "ns" per pair, "sum" }. Left out is what the
// bench never reaches (misuse, several nodes, debugging, constructors): it stops the program.
#include "page_alloc.h"
#include "image.h"

enum { GFP_KERNEL = 0xcc0, GFP_NOWARN = 0x2000, GFP_NORETRY = 0x10000, GFP_NOMEMALLOC = 0x80000, GFP_RECLAIM = 0xc00 };
enum { NEW_SLAB_MASK = 0x3beee0, PAGE = 4096, PG_WORKINGSET = 1 << 6, PG_SLAB = 1 << 9, SLAB_LISTS = 3 };
#define NOINLINE __attribute__((noinline))
#define FROZEN 0x80000000u
static struct sys m;
static uint32_t *words;
static int cache, unreclaimable;
static const int64_t page_offset = 0xffff888000000000ll;

static inline int64_t address(int slab) { return (int64_t)slab * PAGE; }
static inline int order_of(int slab) { return (m.page_state[slab] & 0x1f) - 1; }
static inline int inuse_of(int slab) { return m.page_private[slab] & 0xffff; }
static inline int objects_of(int slab) { return (uint32_t)m.page_private[slab] >> 16 & 0x7fff; }
static inline void set_counters(int slab, int inuse, int objects, int frozen) {
  m.page_private[slab] = inuse | objects << 16 | (frozen ? FROZEN : 0);
}
static inline uint32_t pointer_word(int64_t object) {
  int64_t at = object + m.slub_cache_offset[cache];
  return (m.page_data[at >> 12] - 1) * 1024u + ((at & 4095) >> 2);
}
static inline int64_t next_of(int64_t object) {
  uint32_t word = pointer_word(object);
  int64_t pointer = (int64_t)words[word + 1] << 32 | words[word];
  if (pointer == 0) return 0;
  pointer -= page_offset;
  if (pointer <= 0 || pointer >> 12 >= m.nr_frames) stop("a free pointer was written over");
  return pointer;
}
static inline void set_next(int64_t object, int64_t next) {
  uint32_t word = pointer_word(object);
  uint64_t pointer = next ? next + page_offset : 0;
  words[word] = pointer, words[word + 1] = pointer >> 32;
}
static inline int64_t free_of(int slab) { return m.page_index[slab] ? address(slab) + m.page_index[slab] - 1 : 0; }
static inline void set_free(int slab, int64_t object) { m.page_index[slab] = object ? object - address(slab) + 1 : 0; }

// ---- lists of partial slabs ----
static int partial_head(void) { return m.slab_list_base + cache * SLAB_LISTS; }
static void add_partial(int slab) {
  int32_t *link = m.link_link, head = partial_head(), prev = link[2 * head + 1];
  m.slub_node_nr_partial[cache]++;
  m.page_flags[slab] |= PG_WORKINGSET;
  link[2 * slab] = head, link[2 * slab + 1] = prev, link[2 * prev] = slab, link[2 * head + 1] = slab;
}
static void remove_partial(int slab) {
  int32_t *link = m.link_link, next = link[2 * slab], prev = link[2 * slab + 1];
  link[2 * next + 1] = prev, link[2 * prev] = next;
  m.slub_node_nr_partial[cache]--;
  m.page_flags[slab] &= ~PG_WORKINGSET;
}

// ---- slabs ----
static void give_bytes(int pfn) {
  if (m.page_data[pfn]) return;
  int slot = m.physmem_state_unused[0] - 1;
  if (slot >= 0) m.physmem_state_unused[0] = m.physmem_slot_pfn[slot];
  else {
    slot = m.physmem_state_used[0]++;
    memset(m.physmem_bytes + (int64_t)slot * PAGE, 0, PAGE);
  }
  m.physmem_slot_pfn[slot] = pfn;
  m.page_data[pfn] = slot + 1;
}
static NOINLINE int new_slab(void) {
  int oo = m.slub_cache_oo[cache], order = oo >> 16, objects = oo & 0xffff;
  int gfp = (GFP_KERNEL & NEW_SLAB_MASK) | m.slub_cache_allocflags[cache] | GFP_NOWARN | GFP_NORETRY;
  if (order > m.slub_cache_min[cache] >> 16) gfp = (gfp | GFP_NOMEMALLOC) & ~GFP_RECLAIM;
  int slab = alloc_pages(&m, gfp & ~GFP_COMP, order), size = m.kmem_cache_size[cache];
  if (gfp & GFP_COMP) {
    m.page_flags[slab] |= PG_HEAD;
    for (int tail = slab + 1; tail < slab + (1 << order); tail++) m.page_flags[tail] = PG_TAIL, m.page_index[tail] = slab;
  }
  for (int pfn = slab; pfn < slab + (1 << order); pfn++) give_bytes(pfn);
  m.page_flags[slab] |= PG_SLAB;
  m.page_mapping[slab] = cache + 1;
  set_counters(slab, 0, objects, 0);
  m.node_stat_vm_stat[unreclaimable] += 1 << order;
  int64_t at = address(slab);
  for (int i = 0; i < objects; i++, at += size) set_next(at, i + 1 < objects ? at + size : 0);
  set_free(slab, address(slab));
  return slab;
}
static NOINLINE void discard(int slab) {
  int order = order_of(slab);
  m.slub_node_nr_slabs[cache]--;
  m.slub_node_total_objects[cache] -= objects_of(slab);
  m.node_stat_vm_stat[unreclaimable] -= 1 << order;
  for (int pfn = slab; pfn < slab + (1 << order); pfn++)
    if (m.page_data[pfn]) memset(m.slub_object_live + (m.page_data[pfn] - 1) * 16l, 0, 64);
  m.page_flags[slab] &= ~(PG_SLAB | PG_WORKINGSET);
  m.page_mapping[slab] = m.page_index[slab] = m.page_private[slab] = 0;
  free_pages(&m, slab, order);
}

// ---- a CPU's slabs ----
static int64_t cpu_free(int c) {
  int at = m.slub_cpu_freelist[c];
  return at ? address(m.slub_cpu_slab[c] - 1) + at - 1 : 0;
}
static void set_cpu_free(int c, int64_t object) {
  m.slub_cpu_freelist[c] = object ? object - address(m.slub_cpu_slab[c] - 1) + 1 : 0;
}
static void unfreeze(int first) {
  int32_t *link = m.link_link, discarded = -1;
  for (int slab = first, next; slab >= 0; slab = next) {
    next = link[2 * slab];
    int inuse = inuse_of(slab);
    set_counters(slab, inuse, objects_of(slab), 0);
    if (inuse == 0 && m.slub_node_nr_partial[cache] >= m.slub_cache_min_partial[cache]) link[2 * slab] = discarded, discarded = slab;
    else add_partial(slab);
  }
  for (int slab = discarded, next; slab >= 0; slab = next) {
    next = link[2 * slab];
    discard(slab);
  }
}
static void put_cpu_partial(int c, int slab, int drain) {
  int32_t *link = m.link_link, old = m.slub_cpu_partial[c] - 1;
  int full = drain && old >= 0 && link[2 * old + 1] >= m.slub_cache_cpu_partial_slabs[cache], behind = full ? -1 : old;
  link[2 * slab] = behind;
  link[2 * slab + 1] = behind < 0 ? 1 : link[2 * behind + 1] + 1;
  m.slub_cpu_partial[c] = slab + 1;
  if (full) unfreeze(old);
}
static int64_t take_free(int slab, int freeze) {
  int64_t first = free_of(slab);
  set_counters(slab, objects_of(slab), objects_of(slab), freeze);
  set_free(slab, 0);
  return first;
}
static int64_t from_node(int c) {
  int32_t *link = m.link_link, head = partial_head(), more = 0;
  int64_t object = 0;
  if (m.slub_node_nr_partial[cache] == 0) return 0;
  for (int slab = link[2 * head], next; slab != head; slab = next) {
    next = link[2 * slab];
    remove_partial(slab);
    if (object == 0) {
      object = take_free(slab, 1);
      m.slub_cpu_slab[c] = slab + 1;
    } else {
      set_counters(slab, inuse_of(slab), objects_of(slab), 1);
      put_cpu_partial(c, slab, 0);
      more++;
    }
    if (more > m.slub_cache_cpu_partial_slabs[cache] >> 1) break;
  }
  return object;
}
static int64_t take_object(int c) {
  while (m.slub_cpu_slab[c] || m.slub_cpu_partial[c]) {
    if (!m.slub_cpu_slab[c]) {
      m.slub_cpu_slab[c] = m.slub_cpu_partial[c];
      m.slub_cpu_partial[c] = m.link_link[2 * (m.slub_cpu_slab[c] - 1)] + 1;
    }
    int slab = m.slub_cpu_slab[c] - 1;
    int64_t first = m.slub_cpu_freelist[c] ? cpu_free(c) : free_of(slab);
    if (!m.slub_cpu_freelist[c]) take_free(slab, first != 0);
    if (first) return first;
    m.slub_cpu_slab[c] = 0;
  }
  int64_t first = from_node(c);
  if (first) return first;
  int slab = new_slab();
  first = take_free(slab, 1);
  m.slub_node_nr_slabs[cache]++;
  m.slub_node_total_objects[cache] += objects_of(slab);
  m.slub_cpu_slab[c] = slab + 1;
  return first;
}
static inline uint32_t *live_word(int64_t object) {
  return &m.slub_object_live[(m.page_data[object >> 12] - 1) * 16l + ((object & 4095) >> 8)];
}
static NOINLINE int64_t alloc_slow(int c) {
  int64_t object = cpu_free(c);
  if (object == 0) object = take_object(c);
  set_cpu_free(c, next_of(object));
  uint32_t *live = live_word(object), bit = 1u << (object >> 3 & 31);
  if (*live & bit) stop("handed out twice");
  *live |= bit;
  return object;
}
static inline int64_t alloc(void) {
  int c = cache * m.nr_cpus + m.machine_this_cpu[0];
  int first = m.slub_cpu_freelist[c] - 1, pointer = first + m.slub_cache_fast_offset[cache];
  if (first < 0 || pointer >= PAGE) return alloc_slow(c);
  if (m.kmem_cache_used[cache] != 1 || m.machine_in_atomic[0] | m.machine_irqs_disabled[0]) stop("no allocation here");
  int slab = m.slub_cpu_slab[c] - 1;
  uint32_t bytes = (m.page_data[slab] - 1u) << 12, word = (bytes + pointer) >> 2;
  uint32_t next = words[word] ^ (uint32_t)slab << 12, *live = &m.slub_object_live[(bytes + first) >> 8];
  uint32_t bit = 1u << (first >> 3 & 31);
  if (next & ~4095u || *live & bit || words[word + 1] != (uint32_t)((page_offset + address(slab)) >> 32)) return alloc_slow(c);
  m.slub_cpu_freelist[c] = next + 1;
  *live |= bit;
  return address(slab) + first;
}
static NOINLINE void free_slow(int64_t object) {
  int pfn = object >> 12, slab = m.page_flags[pfn] & PG_TAIL ? m.page_index[pfn] : pfn;
  int c = cache * m.nr_cpus + m.machine_this_cpu[0];
  uint32_t *live = live_word(object), bit = 1u << (object >> 3 & 31);
  if (!(m.page_flags[slab] & PG_SLAB) || m.page_mapping[slab] != cache + 1 || !(*live & bit)) stop("a wrong free");
  *live &= ~bit;
  if (m.slub_cpu_slab[c] == slab + 1) {
    set_next(object, cpu_free(c));
    set_cpu_free(c, object);
    return;
  }
  int64_t prior = free_of(slab);
  set_next(object, prior);
  int frozen = (m.page_private[slab] & FROZEN) != 0, inuse = inuse_of(slab) - 1, freeze = !frozen && prior == 0;
  set_free(slab, object);
  set_counters(slab, inuse, objects_of(slab), frozen || freeze);
  if (freeze) put_cpu_partial(c, slab, 1);
  if (frozen || freeze || (inuse && prior)) return;
  if (inuse == 0 && m.slub_node_nr_partial[cache] >= m.slub_cache_min_partial[cache]) {
    if (prior) remove_partial(slab);
    discard(slab);
  } else if (!prior) add_partial(slab);
}
static inline void release(int64_t object) {
  int slab = object >> 12, first = object & 4095, c = cache * m.nr_cpus + m.machine_this_cpu[0];
  int pointer = first + m.slub_cache_fast_offset[cache];
  uint32_t bytes = (m.page_data[slab] - 1u) << 12, bit = 1u << (first >> 3 & 31), *live = &m.slub_object_live[(bytes + first) >> 8];
  if (m.slub_cpu_slab[c] != slab + 1 || pointer >= PAGE || first & 7 || !(*live & bit)) {
    free_slow(object);
    return;
  }
  int next = m.slub_cpu_freelist[c];
  uint32_t word = (bytes + pointer) >> 2;
  *live &= ~bit;
  words[word] = next ? ((uint32_t)slab << 12) + next - 1 : 0;
  words[word + 1] = next ? (page_offset + address(slab)) >> 32 : 0;
  m.slub_cpu_freelist[c] = first + 1;
}

int main(int argc, char **argv) {
  if (argc < 10) stop("arguments");
  int64_t size;
  char *base = read_image(argv[1], &m, &size);
  words = (uint32_t *)m.physmem_bytes;
  config_numa = 0;
  cache = atoi(argv[2]);
  int live = atoi(argv[3]), batches = atoi(argv[4]), ops = atoi(argv[5]);
  uint32_t x = strtoul(argv[6], NULL, 10), places = 0;
  unreclaimable = atoi(argv[7]);
  for (int i = 8; i < argc - 1; i++) event_of_type[i - 8] = atoi(argv[i]);
  PGFREE = atoi(argv[argc - 1]);
  int64_t *slots = calloc(live + 1, sizeof *slots);
  for (int i = 0; i < live; i++) slots[i] = alloc();
  double best = 1e9;
  for (int batch = 0; batch < batches; batch++) {
    double start = cpu_seconds();
    if (live == 0)
      for (int i = 0; i < ops; i++) release(alloc());
    else
      for (int i = 0; i < ops; i++) {
        x = next_random(x);
        int at = (x >> 1) % live;
        release(slots[at]);
        slots[at] = alloc();
        places = places * 31 + (slots[at] & 4095);
      }
    double took = cpu_seconds() - start;
    if (took < best) best = took;
  }
  printf("{\"ns\":%.3f,\"sum\":%u}\n", best / ops * 1e9, image_hash(base, size) ^ places);
  return 0;
}
