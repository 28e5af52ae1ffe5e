// One run of a workload on the C allocator: `page_alloc IMAGE LIVE MIXED BATCHES OPS SEED EVENT…`; prints
// { "ns", "sum" } as alloc_js.mjs does. EVENT… are the rows of the pgalloc events by zone type, then of pgfree.
#include "page_alloc.h"
#include "image.h"

enum { GFP_KERNEL = 0xcc0, GFP_RECLAIMABLE = 0x10, GFP_HIGHUSER_MOVABLE = 0x100cca };
static const int masks[4] = {GFP_KERNEL, GFP_KERNEL | GFP_RECLAIMABLE, GFP_HIGHUSER_MOVABLE, GFP_HIGHUSER_MOVABLE};

static void hot(sysp s, int ops) {
  for (int i = 0; i < ops; i++) free_pages(s, alloc_pages(s, GFP_KERNEL, 0), 0);
}
static uint32_t churn(sysp s, int32_t *slots, int live, uint32_t x, int ops) {
  for (int i = 0; i < ops; i++) {
    x = next_random(x);
    int at = (x >> 1) % live;
    if (slots[at] >= 0) free_pages(s, slots[at], 0);
    slots[at] = alloc_pages(s, GFP_KERNEL, 0);
  }
  return x;
}
static uint32_t churn_mixed(sysp s, int32_t *slots, uint8_t *orders, int live, uint32_t x, int ops) {
  for (int i = 0; i < ops; i++) {
    x = next_random(x);
    int at = (x >> 1) % live;
    if (slots[at] >= 0) free_pages(s, slots[at], orders[at]);
    x = next_random(x);
    orders[at] = __builtin_ctz(x >> 8 | 1024);
    slots[at] = alloc_pages(s, masks[x & 3], orders[at]);
  }
  return x;
}

int main(int argc, char **argv) {
  if (argc < 9) stop("arguments");
  struct sys s;
  int64_t size;
  char *base = read_image(argv[1], &s, &size);
  int live = atoi(argv[2]), mixed = atoi(argv[3]), batches = atoi(argv[4]), ops = atoi(argv[5]);
  uint32_t x = strtoul(argv[6], NULL, 10);
  for (int i = 7; i < argc - 1; i++) event_of_type[i - 7] = atoi(argv[i]);
  PGFREE = atoi(argv[argc - 1]);
  int32_t *slots = calloc(live + 1, sizeof *slots);
  uint8_t *orders = calloc(live + 1, 1);
  for (int i = 0; i < live; i++) slots[i] = alloc_pages(&s, GFP_KERNEL, 0);
  double best = 1e9;
  for (int batch = 0; batch < batches; batch++) {
    double start = cpu_seconds();
    if (live == 0) hot(&s, ops);
    else if (mixed) x = churn_mixed(&s, slots, orders, live, x, ops);
    else x = churn(&s, slots, live, x, ops);
    double took = cpu_seconds() - start;
    if (took < best) best = took;
  }
  printf("{\"ns\":%.3f,\"sum\":%u}\n", best / ops * 1e9, image_hash(base, size));
  return 0;
}
