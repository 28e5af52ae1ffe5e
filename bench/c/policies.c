// Replacement policies in C: the same arrays, the same steps, the same accesses as the program in JavaScript.
// `policies QUESTION` prints { "ns": per access, "sum" }; QUESTION is lru, clock, their scattered- or their simulate- form.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ACCESSES = 1 << 21, BATCHES = 12 };

static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void *zeros(size_t count, size_t size) {
  void *p = calloc(count, size);
  if (!p) exit(1);
  return p;
}

// Identifiers to numbers: open addressing on two halves, at most half full.
static struct {
  int32_t *low, *high, *slots;
  int count, room, mask;
} names;

static uint32_t mixed(int32_t low, int32_t high) {
  uint32_t hash = (uint32_t)low * 0x9e3779b1u ^ ((uint32_t)high ^ 0x7feb352du) * 0x85ebca6bu;
  hash ^= hash >> 15;
  hash *= 0x2c1b3c6du;
  return hash ^ hash >> 13;
}
static void names_reset(void) {
  free(names.low), free(names.high), free(names.slots);
  names.count = 0, names.room = 1024, names.mask = 4095;
  names.low = zeros(1024, 4), names.high = zeros(1024, 4), names.slots = zeros(4096, 4);
}
static void names_rehash(void) {
  int mask = names.mask * 2 + 1;
  int32_t *slots = zeros(mask + 1, 4);
  for (int n = 0; n < names.count; n++) {
    uint32_t at = mixed(names.low[n], names.high[n]) & mask;
    while (slots[at]) at = (at + 1) & mask;
    slots[at] = n + 1;
  }
  free(names.slots);
  names.slots = slots, names.mask = mask;
}
static int names_add(int32_t low, int32_t high, uint32_t slot) {
  int n = names.count++;
  if (n == names.room) {
    names.room *= 2;
    names.low = realloc(names.low, 4ul * names.room), names.high = realloc(names.high, 4ul * names.room);
    if (!names.low || !names.high) exit(1);
  }
  names.low[n] = low, names.high[n] = high, names.slots[slot] = n + 1;
  if (names.count * 2 > names.mask + 1) names_rehash();
  return n;
}
static inline int name_of(int32_t low, int32_t high) {
  for (uint32_t at = mixed(low, high) & names.mask;; at = (at + 1) & names.mask) {
    int n = names.slots[at] - 1;
    if (n < 0) return names_add(low, high, at);
    if (names.low[n] == low && names.high[n] == high) return n;
  }
}

static int frames, used, hand;
static int32_t *slot, *page_of, *links;
static uint8_t *bit;

static void policy_reset(int pages) {
  free(slot), free(page_of), free(links), free(bit);
  slot = zeros(pages, 4), page_of = zeros(frames + 1, 4), links = zeros(2ul * (frames + 1), 4), bit = zeros(frames, 1);
  used = hand = 0;
}
// Slots and links hold twice the row, which is where the row's own links are; the front of the list is in a variable.
static int run_lru(const int32_t *pages, int count) {
  int misses = 0, first = links[0];
  for (int i = 0; i < count; i++) {
    int page = pages[i], at = slot[page];
    if (at) {
      if (at == first) continue;
      int next = links[at], prev = links[at + 1];
      links[next + 1] = prev, links[prev] = next;
    } else {
      misses++;
      if (used < frames) at = 2 * ++used;
      else {
        at = links[1];
        slot[page_of[at >> 1]] = 0;
        links[1] = links[at + 1], links[links[at + 1]] = 0;
        if (at == first) first = 0;
      }
      page_of[at >> 1] = page, slot[page] = at;
    }
    links[at] = first, links[at + 1] = 0, links[first + 1] = at, first = at;
  }
  links[0] = first;
  return misses;
}
static int run_clock(const int32_t *pages, int count) {
  int misses = 0;
  for (int i = 0; i < count; i++) {
    int page = pages[i], frame = slot[page];
    if (frame) {
      bit[frame - 1] = 1;
      continue;
    }
    misses++;
    if (used == frames) {
      while (bit[hand]) {
        bit[hand] = 0;
        if (++hand == frames) hand = 0;
      }
      slot[page_of[hand]] = 0;
    } else used++;
    page_of[hand] = page;
    slot[page] = ++hand;
    if (hand == frames) hand = 0;
  }
  return misses;
}

int main(int argc, char **argv) {
  if (argc < 2) return 1;
  int simulates = !strncmp(argv[1], "simulate", 8), scattered = !strncmp(argv[1], "scattered", 9);
  int (*run)(const int32_t *, int) = strstr(argv[1], "lru") ? run_lru : run_clock;
  frames = simulates ? 10000 : 1 << 20;
  int pages = simulates ? 100000 : run == run_lru ? frames : 1200000;
  int32_t *accesses = zeros(ACCESSES, 4), *low = zeros(ACCESSES, 4), *high = zeros(ACCESSES, 4);
  int32_t *numbers = zeros(ACCESSES, 4);
  uint32_t x = 0x2545f491;
  for (int i = 0; i < ACCESSES; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    double share = x / 4294967296.0;
    int page = simulates ? (int)(share * share * share * pages) : scattered ? (int)(share * pages) : i % pages;
    accesses[i] = page;
    low[i] = (int32_t)((uint32_t)page * 0x9e3779b1u);
    high[i] = page ^ 0x5bd1e995;
  }
  policy_reset(pages);
  if (!simulates) {
    int32_t *all = zeros(frames, 4);
    for (int page = 0; page < frames; page++) all[page] = page;
    run(all, frames);
  }
  uint32_t sum = 0;
  double best = 1e9;
  for (int batch = 0; batch < BATCHES; batch++) {
    if (simulates) policy_reset(pages);
    double start = cpu_seconds();
    int misses;
    if (simulates) {
      names_reset();
      for (int i = 0; i < ACCESSES; i++) numbers[i] = name_of(low[i], high[i]);
      misses = run(numbers, ACCESSES);
    } else misses = run(accesses, ACCESSES);
    double took = cpu_seconds() - start;
    if (took < best) best = took;
    sum = sum * 31 + misses;
  }
  printf("{\"ns\":%.3f,\"sum\":%u}\n", best / ACCESSES * 1e9, sum);
  return 0;
}
