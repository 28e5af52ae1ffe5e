// A machine's image that the bench wrote, read into memory; and the hash of what became of it.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

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
static char *read_image(const char *path, struct sys *s, int64_t *size) {
  char name[4096];
  int64_t offsets[NR_OFFSETS];
  snprintf(name, sizeof name, "%s.offsets", path);
  FILE *f = fopen(name, "r");
  if (!f || fscanf(f, "%ld", size) != 1) exit(3);
  for (int i = 0; i < NR_OFFSETS; i++)
    if (fscanf(f, "%ld", &offsets[i]) != 1) exit(3);
  fclose(f);
  char *base = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  f = fopen(path, "r");
  if (!f || base == MAP_FAILED) exit(3);
  static char chunk[1 << 16];
  for (int64_t at = 0; at < *size; at += sizeof chunk) {
    size_t got = fread(chunk, 1, sizeof chunk, f);
    // Pages of zeros stay untouched, as they are in the twin.
    for (size_t i = 0; i < got; i++)
      if (chunk[i] != 0) {
        memcpy(base + at, chunk, got);
        break;
      }
  }
  fclose(f);
  sys_attach(s, base, offsets);
  return base;
}
static uint32_t image_hash(const char *base, int64_t size) {
  uint32_t hash = 0x811c9dc5;
  const uint32_t *words = (const uint32_t *)base;
  for (int64_t i = 0; i < size / 4; i++) hash = (hash ^ words[i]) * 0x01000193;
  return hash;
}
