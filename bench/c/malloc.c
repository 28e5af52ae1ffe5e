// The mixed churn on the C library's malloc: same slots, same orders, blocks of UNIT << order bytes, never touched.
// `malloc UNIT LIVE BATCHES OPS SEED [fixed]` (fixed: all blocks have UNIT bytes) prints { "ns" } per pair.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}
static uint32_t next_random(uint32_t x) {
  x ^= x << 13;
  x ^= x >> 17;
  return x ^ x << 5;
}

int main(int argc, char **argv) {
  if (argc < 6) return 1;
  size_t unit = atoi(argv[1]);
  int live = atoi(argv[2]), batches = atoi(argv[3]), ops = atoi(argv[4]);
  int fixed = argc > 6;
  uint32_t x = strtoul(argv[5], NULL, 10);
  void **slots = calloc(live, sizeof *slots);
  for (int i = 0; i < live; i++) slots[i] = malloc(unit);
  double best = 1e9;
  for (int batch = 0; batch < batches; batch++) {
    double start = cpu_seconds();
    for (int i = 0; i < ops; i++) {
      x = next_random(x);
      int at = (x >> 1) % live;
      free(slots[at]);
      if (!fixed) x = next_random(x);
      slots[at] = malloc(fixed ? unit : unit << __builtin_ctz(x >> 8 | 1024));
      if (!slots[at]) return 1;
    }
    double took = cpu_seconds() - start;
    if (took < best) best = took;
  }
  printf("{\"ns\":%.3f}\n", best / ops * 1e9);
  return 0;
}
