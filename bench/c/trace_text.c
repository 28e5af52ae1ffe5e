// The fast road of the trace reader in C: page events of ftrace text into columns, the same steps in the same order.
// `trace_text FILE ROUNDS` prints { "ns": per event, "sum", "events", "bytes" }. A line that it does not know stops it.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CAPACITY = 4096, HEADS = 512, HEAD_WORDS = 12, MAX_GFP = 512, SLOTS = 256 };
enum { NONE, ALLOC, FREE, LOCKED, DRAIN };

static struct {
  uint8_t kind[CAPACITY];
  uint16_t cpu[CAPACITY], irq[CAPACITY];
  int32_t pid[CAPACITY], comm[CAPACITY], text[CAPACITY], text2[CAPACITY];
  double time[CAPACITY], line[CAPACITY], a[CAPACITY], b[CAPACITY], c[CAPACITY], d[CAPACITY];
  int length;
} batch;

static int8_t hex[256];
static int16_t irq_bits[5][256];
static int width, heads_used[HEADS], head_cpu[HEADS], head_pid[HEADS], head_comm[HEADS], comms;
static int32_t head_words[HEADS][HEAD_WORDS];
static char gfp_bytes[SLOTS][MAX_GFP];
static int gfp_length[SLOTS], gfp_id[SLOTS], gfps;
static uint32_t gfp_hash[SLOTS];
static const uint8_t *gfp_end;

static void stop(const char *why, const uint8_t *p) {
  fprintf(stderr, "%s: %.100s\n", why, p ? (const char *)p : "");
  exit(1);
}
static inline int32_t word(const uint8_t *p) {
  int32_t w;
  memcpy(&w, p, 4);
  return w;
}
#define W(text) word((const uint8_t *)text)

static int hash_head(const uint8_t *p) {
  uint32_t h = 0;
  for (int o = 0; o + 4 <= width; o += 4) h = (h ^ word(p + o)) * 0x9e3779b1u;
  h = (h ^ word(p + width - 4)) * 0x9e3779b1u;
  return h >> 23;
}
static int matches(const uint8_t *p, int slot) {
  if (head_words[slot][HEAD_WORDS - 1] != word(p + width - 4)) return 0;
  for (int i = 0, o = 0; o + 4 <= width; i++, o += 4)
    if (head_words[slot][i] != word(p + o)) return 0;
  return 1;
}
static int learn(const uint8_t *p) {
  const uint8_t *bracket = (const uint8_t *)strstr((const char *)p, " [");
  if (!bracket) stop("no cpu", p);
  int now = bracket + 7 - p, slot;
  if (now != width) {
    memset(heads_used, 0, sizeof heads_used);
    width = now;
  }
  slot = hash_head(p);
  for (int i = 0, o = 0; o + 4 <= width; i++, o += 4) head_words[slot][i] = word(p + o);
  head_words[slot][HEAD_WORDS - 1] = word(p + width - 4);
  const uint8_t *dash = bracket;
  while (*dash != '-') dash--;
  heads_used[slot] = 1;
  head_cpu[slot] = atoi((const char *)bracket + 2);
  head_pid[slot] = atoi((const char *)dash + 1);
  head_comm[slot] = comms++;
  return slot;
}
static int find_gfp(const uint8_t *p) {
  uint32_t h = 0;
  const uint8_t *q = p, *limit = p + MAX_GFP - 8;
  for (; q < limit; q += 4) {
    uint32_t w = word(q);
    if (((w - 0x21212121u) & ~w & 0x80808080u) != 0) break;
    h = (h ^ w) * 0x9e3779b1u;
  }
  if (q >= limit) stop("gfp", p);
  for (; *q > 32; q++) h = (h ^ *q) * 0x9e3779b1u;
  if (*q != '\n') stop("gfp", p);
  gfp_end = q;
  int slot = (h ^ h >> 24) & 255, length = q - p;
  if (gfp_id[slot] >= 0 && gfp_length[slot] == length) {
    const uint8_t *own = (const uint8_t *)gfp_bytes[slot];
    int at = 0;
    for (; at < (length & ~3); at += 4)
      if (word(own + at) != word(p + at)) goto other;
    for (; at < length; at++)
      if (own[at] != p[at]) goto other;
    return gfp_id[slot];
  }
other:
  memcpy(gfp_bytes[slot], p, length);
  gfp_length[slot] = length;
  uint32_t fnv = 0x811c9dc5;
  for (int i = 0; i < length; i++) fnv = (fnv ^ p[i]) * 0x01000193;
  if (gfps == SLOTS) stop("too many masks", p);
  gfp_hash[gfps] = fnv;
  return gfp_id[slot] = gfps++;
}

static const uint8_t *run(const uint8_t *p, const uint8_t *end, double *number) {
  static int slot;
  static int32_t page0, page1;
  int row = 0;
  while (p < end && row < CAPACITY) {
    if (width == 0 || !heads_used[slot] || !matches(p, slot)) {
      slot = width ? hash_head(p) : 0;
      if (width == 0 || !heads_used[slot] || !matches(p, slot)) slot = learn(p);
    }
    const uint8_t *q = p + width;
    int flags = irq_bits[0][q[0]] | irq_bits[1][q[1]] | irq_bits[2][q[2]] | irq_bits[3][q[3]] | irq_bits[4][q[4]];
    if (flags < 0 || q[5] != ' ') stop("flags", p);
    q += 6;
    while (*q == ' ') q++;
    int digit = *q - '0', seconds = 0, micros = 0, bad = 0;
    while (digit >= 0 && digit <= 9) {
      seconds = seconds * 10 + digit;
      digit = *++q - '0';
    }
    if (digit != -2) stop("time", p);
    for (int i = 1; i <= 6; i++) {
      digit = q[i] - '0';
      bad |= digit | (9 - digit);
      micros = micros * 10 + digit;
    }
    if (bad < 0 || q[7] != ':' || q[8] != ' ') stop("time", p);
    q += 9;
    while (*q == ' ') q++;
    int event = NONE;
    if (word(q) == W("mm_p") && word(q + 4) == W("age_")) {
      int32_t w = word(q + 8), after = word(q + 12);
      if (w == W("allo")) {
        if ((after & 0xffff) == 0x3a63) {
          event = ALLOC;
          q += 14;
        } else if (after == W("c_zo") && word(q + 16) == W("ne_l") && word(q + 20) == W("ocke")) {
          event = LOCKED;
          q += 26;
        }
      } else if (w == W("free") && (after & 0xff) == ':') {
        event = FREE;
        q += 13;
      } else if (w == W("pcpu") && after == W("_dra") && q[18] == ':') {
        event = DRAIN;
        q += 19;
      }
    }
    if (event == NONE) stop("event", p);
    while (*q == ' ') q++;
    if (word(q) != W("page") || q[4] != '=') stop("page", p);
    q += q[5] == '0' && q[6] == 'x' ? 7 : 5;
    const uint8_t *page = q;
    if (word(q) == page0 && word(q + 4) == page1) q += 8;
    while (hex[*q] >= 0 && q < page + 16) q++;
    page0 = word(page);
    page1 = word(page + 4);
    if (word(q) != W(" pfn") || (word(q + 4) & 0xffffff) != (W("=0x0") & 0xffffff)) stop("pfn", p);
    q += 7;
    int pfn = 0, nibble = hex[*q];
    while (nibble >= 0) {
      pfn = pfn << 4 | nibble;
      nibble = hex[*++q];
    }
    if (word(q) != W(" ord") || word(q + 3) != W("der=")) stop("order", p);
    q += 7;
    int order = *q++ - '0';
    digit = *q - '0';
    if (digit >= 0 && digit <= 9) {
      order = order * 10 + digit;
      q++;
    }
    int migratetype = 0, name = -1;
    double extra = 0;
    if (event != FREE) {
      if (word(q) != W(" mig") || word(q + 4) != W("rate") || word(q + 8) != W("type")) stop("migratetype", p);
      migratetype = q[13] - '0';
      q += 14;
      if (event == ALLOC) {
        if (word(q) != W(" gfp") || word(q + 4) != W("_fla") || word(q + 7) != W("ags=")) stop("gfp", p);
        q += 11;
        name = find_gfp(q);
        q = gfp_end;
        extra = 0.0 / 0.0;
      } else if (event == LOCKED) {
        if (word(q) != W(" per") || word(q + 4) != W("cpu_") || word(q + 8) != W("refi")) stop("refill", p);
        extra = q[15] - '0';
        q += 16;
      }
    }
    if (*q != '\n') stop("end", p);
    batch.kind[row] = event;
    batch.cpu[row] = head_cpu[slot];
    batch.pid[row] = head_pid[slot];
    batch.comm[row] = head_comm[slot];
    batch.irq[row] = flags;
    batch.time[row] = (seconds * 1e6 + micros) / 1e6;
    batch.line[row] = (*number)++;
    batch.a[row] = pfn;
    batch.b[row] = order;
    batch.c[row] = migratetype;
    batch.d[row] = extra;
    batch.text[row] = name;
    batch.text2[row] = -1;
    row++;
    p = q + 1;
  }
  batch.length = row;
  return p;
}

static uint32_t sum_batch(uint32_t h) {
  for (int i = 0; i < batch.length; i++) {
    uint32_t text = batch.text[i] < 0 ? 0 : gfp_hash[batch.text[i]];
    uint32_t values[] = {batch.kind[i], batch.cpu[i], batch.pid[i], (uint32_t)(batch.time[i] * 1e6 + 0.5),
                         batch.a[i],    batch.b[i],   batch.c[i],   text};
    for (int k = 0; k < 8; k++) h = (h ^ values[k]) * 0x01000193;
  }
  return h;
}

int main(int argc, char **argv) {
  memset(hex, -1, sizeof hex);
  for (int i = 0; i < 10; i++) hex['0' + i] = i;
  for (int i = 0; i < 6; i++) hex['a' + i] = 10 + i;
  memset(irq_bits, -1, sizeof irq_bits);
  for (int i = 0; i < 5; i++) irq_bits[i]['.'] = 0;
  memset(gfp_id, -1, sizeof gfp_id);
  FILE *f = fopen(argv[1], "r");
  if (!f || argc < 3) stop("usage: trace_text FILE ROUNDS", NULL);
  fseek(f, 0, SEEK_END);
  long size = ftell(f);
  rewind(f);
  uint8_t *bytes = calloc(size + 1024, 1);
  if (fread(bytes, 1, size, f) != (size_t)size) stop("read", NULL);
  const uint8_t *first = bytes;
  while (*first == '#') first = (const uint8_t *)strchr((const char *)first, '\n') + 1;
  uint32_t sum = 0x811c9dc5;
  double best = 1e9, events = 0;
  for (int round = 0; round < atoi(argv[2]); round++) {
    double line = 1;
    clock_t start = clock();
    for (const uint8_t *p = first; p < bytes + size;) {
      p = run(p, bytes + size, &line);
      if (round == 0) sum = sum_batch(sum);
    }
    double took = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (round > 0 && took < best) best = took;
    events = line - 1;
  }
  printf("{\"ns\":%.3f,\"sum\":%u,\"events\":%.0f,\"bytes\":%ld}\n", best / events * 1e9, sum, events, size);
  return 0;
}
