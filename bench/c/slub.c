// SLUB's way of an object in C: the same algorithm over the same structures (slabs of pages, a free list in the bytes of free
// objects, a slab and partial slabs a CPU, a list of partial slabs a node, a bit a live object against wrong frees).
// `slub SIZE ORDER CPU_PARTIAL LIVE BATCHES OPS SEED` prints { "ns" per pair, "sum" }: sum is made of the place of every object
// in its slab, in the order in which they were handed out, and of the slabs at the end.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 4096, MIN_PARTIAL = 5 };
#define NOINLINE __attribute__((noinline))
struct slab {
  int32_t inuse, objects, frozen;
  int32_t free;  // offset + 1 of the first free object that is not the CPU's
  int32_t next, prev, slabs;
  int32_t cache;
};
static struct slab *slabs;
static char *memory;
static uint32_t *live_bits;
static int32_t size_, order_, objects_, bytes_, cpu_partial_slabs, pointer_;
static int32_t cpu_slab = -1, cpu_free, cpu_partial = -1;
static int32_t partial_head = -1, partial_tail = -1, nr_partial, nr_slabs, fresh, spare = -1;
static uint64_t sum;

static char *address(int32_t s) { return memory + (int64_t)s * bytes_; }
static int32_t *link_of(int32_t s, int32_t at) { return (int32_t *)(address(s) + at - 1 + pointer_); }

static void list_add_tail(int32_t s) {
  slabs[s].next = -1;
  slabs[s].prev = partial_tail;
  if (partial_tail >= 0) slabs[partial_tail].next = s;
  else partial_head = s;
  partial_tail = s;
  nr_partial++;
}
static void list_del(int32_t s) {
  int32_t n = slabs[s].next, p = slabs[s].prev;
  if (n >= 0) slabs[n].prev = p;
  else partial_tail = p;
  if (p >= 0) slabs[p].next = n;
  else partial_head = n;
  nr_partial--;
}
static NOINLINE int32_t new_slab(void) {
  int32_t s = spare;
  if (s >= 0) spare = slabs[s].next;
  else s = fresh++;
  for (int i = 0; i < objects_; i++) *link_of(s, i * size_ + 1) = i + 1 < objects_ ? (i + 1) * size_ + 1 : 0;
  slabs[s] = (struct slab){0, objects_, 0, 1, -1, -1, 0, 1};
  nr_slabs++;
  return s;
}
static void discard(int32_t s) {
  slabs[s].cache = 0;
  slabs[s].next = spare;
  spare = s;
  nr_slabs--;
}
static int32_t take_all(int32_t s) {
  int32_t first = slabs[s].free;
  slabs[s].free = 0;
  slabs[s].inuse = slabs[s].objects;
  slabs[s].frozen = first != 0;
  return first;
}
static void freeze_partial(int32_t s) {
  slabs[s].next = cpu_partial;
  slabs[s].slabs = cpu_partial < 0 ? 1 : slabs[cpu_partial].slabs + 1;
  cpu_partial = s;
}
static void unfreeze(int32_t first) {
  for (int32_t s = first, next; s >= 0; s = next) {
    next = slabs[s].next;
    slabs[s].frozen = 0;
    if (slabs[s].inuse == 0 && nr_partial >= MIN_PARTIAL) discard(s);
    else list_add_tail(s);
  }
}
static NOINLINE int64_t alloc_slow(void) {
  for (;;) {
    if (cpu_slab < 0 && cpu_partial >= 0) {
      cpu_slab = cpu_partial;
      cpu_partial = slabs[cpu_slab].next;
    }
    if (cpu_slab >= 0) {
      if (cpu_free || (cpu_free = take_all(cpu_slab))) break;
      cpu_slab = -1;
      continue;
    }
    if (partial_head >= 0) {
      cpu_slab = partial_head;
      list_del(cpu_slab);
      cpu_free = take_all(cpu_slab);
      slabs[cpu_slab].frozen = 1;
      for (int32_t n = 0, s = partial_head; s >= 0 && n <= cpu_partial_slabs / 2; n++, s = partial_head) {
        list_del(s);
        slabs[s].frozen = 1;
        freeze_partial(s);
      }
      break;
    }
    cpu_slab = new_slab();
    cpu_free = take_all(cpu_slab);
    break;
  }
  int32_t at = cpu_free;
  cpu_free = *link_of(cpu_slab, at);
  return (int64_t)cpu_slab * bytes_ + at - 1;
}
static inline int live(int64_t object, int on) {
  uint32_t bit = 1u << (object >> 3 & 31), *w = &live_bits[object >> 8], was = *w & bit;
  *w ^= bit;
  return on ? was == 0 : was != 0;
}
static inline int64_t alloc(void) {
  int64_t object;
  int32_t at = cpu_free;
  if (at) {
    cpu_free = *link_of(cpu_slab, at);
    object = (int64_t)cpu_slab * bytes_ + at - 1;
  } else object = alloc_slow();
  if (!live(object, 1)) abort();
  return object;
}
static NOINLINE void free_slow(int32_t s, int32_t at) {
  int32_t prior = slabs[s].free, freeze = !slabs[s].frozen && prior == 0;
  *link_of(s, at) = prior;
  slabs[s].free = at;
  slabs[s].inuse--;
  if (freeze) {
    int32_t old = cpu_partial;
    slabs[s].frozen = 1;
    if (old >= 0 && slabs[old].slabs >= cpu_partial_slabs) {
      cpu_partial = -1;
      freeze_partial(s);
      unfreeze(old);
    } else freeze_partial(s);
  }
  if (slabs[s].frozen || (slabs[s].inuse && prior)) return;
  if (slabs[s].inuse == 0 && nr_partial >= MIN_PARTIAL) {
    if (prior) list_del(s);
    discard(s);
  }
}
static inline void release(int64_t object) {
  int32_t s = object / PAGE >> order_, at = object - (int64_t)s * bytes_ + 1;
  if (slabs[s].cache != 1 || !live(object, 0)) abort();
  if (s == cpu_slab) {
    *link_of(s, at) = cpu_free;
    cpu_free = at;
  } else free_slow(s, at);
}
static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}
static inline uint32_t next_random(uint32_t x) {
  x ^= x << 13;
  x ^= x >> 17;
  return x ^ x << 5;
}
static inline int64_t noted(int64_t object) {
  sum = (uint32_t)(sum * 31 + object % bytes_);
  return object;
}
int main(int argc, char **argv) {
  if (argc < 8) return 1;
  size_ = atoi(argv[1]);
  order_ = atoi(argv[2]);
  cpu_partial_slabs = atoi(argv[3]);
  int live_count = atoi(argv[4]), batches = atoi(argv[5]), ops = atoi(argv[6]);
  uint32_t x = strtoul(argv[7], NULL, 10);
  bytes_ = PAGE << order_;
  objects_ = bytes_ / size_;
  pointer_ = size_ / 2 & ~7;
  int64_t most = 2 * live_count / objects_ + 4096;
  slabs = calloc(most, sizeof *slabs);
  memory = calloc(most, bytes_);
  live_bits = calloc(most * bytes_ / 256 + 1, 4);
  int64_t *slots = calloc(live_count + 1, sizeof *slots);
  for (int i = 0; i < live_count; i++) slots[i] = noted(alloc());
  double best = 1e9;
  for (int batch = 0; batch < batches; batch++) {
    double start = cpu_seconds();
    if (live_count == 0)
      for (int i = 0; i < ops; i++) release(alloc());
    else
      for (int i = 0; i < ops; i++) {
        x = next_random(x);
        int at = (x >> 1) % live_count;
        release(slots[at]);
        slots[at] = noted(alloc());
      }
    double took = cpu_seconds() - start;
    if (took < best) best = took;
  }
  printf("{\"ns\":%.3f,\"sum\":%u}\n", best / ops * 1e9, (uint32_t)(sum * 31 + nr_slabs));
  return 0;
}
