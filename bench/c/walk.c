// Accesses through the page tables of a process: `walk IMAGE PGD PAGE PAGES STRIDE ROUNDS` walks four levels of true entries
// for each access, ACCESSED and DIRTY are set as the processor does; { "ns": per access, "sum": of the image at the end }.
#include "layout.h"
#include "image.h"

static struct sys s;
static uint32_t *words;

// 0 = allowed and noted, else the error code of the fault + 1. kind: 0 read, 1 write.
static inline int walk(int32_t pgd, int64_t page, int kind) {
  int code = 4 | kind << 1;
  int32_t table = pgd;
  for (int shift = 27;; shift -= 9) {
    uint32_t word = (s.page_data[table] - 1) * 1024u + ((page >> shift & 511) << 1), lo = words[word];
    if (!(lo & 1)) return code + 1;
    if (shift == 0 || lo & 0x80) {
      if (!(lo & 4)) return (code | 1) + 1;
      if (kind) {
        if (!(lo & 2)) return (code | 1) + 1;
        words[word] = lo | 0x60;
      } else if (!(lo & 0x20)) words[word] = lo | 0x20;
      return 0;
    }
    table = (words[word + 1] & 0x7ff) << 20 | lo >> 12;
  }
}

int main(int argc, char **argv) {
  if (argc < 7) return 1;
  int64_t size, page = atoll(argv[3]);
  char *base = read_image(argv[1], &s, &size);
  words = (uint32_t *)s.physmem_bytes;
  int pgd = atoi(argv[2]), pages = atoi(argv[4]), stride = atoi(argv[5]), rounds = atoi(argv[6]);
  int32_t *order = calloc(pages, sizeof *order);
  for (int64_t i = 0; i < pages; i++) order[i] = i * stride % pages;
  double best = 1e9;
  for (int round = 0; round < rounds; round++) {
    double start = cpu_seconds();
    for (int i = 0; i < pages; i++)
      if (walk(pgd, page + order[i], 1) != 0) return 2;
    double took = cpu_seconds() - start;
    if (took < best) best = took;
  }
  printf("{\"ns\":%.3f,\"sum\":%u}\n", best / pages * 1e9, image_hash(base, size));
  return 0;
}
