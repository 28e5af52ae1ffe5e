// The page allocator of the twin, function for function, in C: same columns, same lists, same bookkeeping.
// Law: from the same image the same operations lead to the same image, byte for byte.
// Left out is what the benches never reach (reserves, reclaim, misuse): those branches stop the program.
#include <stdio.h>
#include <stdlib.h>
#include "layout.h"

typedef const struct sys *sysp;

enum { PAGE_PCP = 0x40, PAGE_USED = 0x80 };
enum { PG_LRU = 1 << 4, PG_HEAD = 1 << 16, PG_TAIL = 1 << 23, PG_MOVABLE = 1 << 24 };
enum { UNMOVABLE, MOVABLE, RECLAIMABLE, PCPTYPES, HIGHATOMIC = 3 };
enum { BLOCK_LAZY = 1, BLOCK_TOUCHED = 3, BLOCK_ZONE_SPLIT = 0xffff };
enum { WMARK_LOW = 1, WMARK_HIGH = 2 };
enum { GFP_DIRECT_RECLAIM = 0x400, GFP_KSWAPD = 0x800, GFP_COMP = 0x40000, GFP_THISNODE = 0x200000 };
enum { ALLOC_WMARK_LOW = 1, ALLOC_WMARK_MASK = 3, ALLOC_NO_WATERMARKS = 4, ALLOC_OOM = 8, ALLOC_NON_BLOCK = 0x10 };
enum { ALLOC_MIN_RESERVE = 0x20, ALLOC_CMA = 0x80, ALLOC_NOFRAGMENT = 0x100, ALLOC_HIGHATOMIC = 0x200 };
enum { ALLOC_KSWAPD = 0x800, ALLOC_RESERVES = ALLOC_NON_BLOCK | ALLOC_MIN_RESERVE | ALLOC_OOM };
enum { ZONE_BOOSTED_WATERMARK = 1, ZONE_RECLAIM_ACTIVE = 2 };
enum { LOCK_PCP = 1, LOCK_ZONE = 2 };
enum { ZONE_ITEMS = 12, NUMA_ITEMS = 6, FREE_PAGES = 0, FREE_CMA = 10 };
enum { ZONE_NORMAL = 2, COSTLY_ORDER = 3, LOW_LISTS = 12, BATCH_SCALE_MAX = 5 };

// What a kernel is: the zone of a mask, the rows of its events, who listens to its tracepoints.
static uint8_t gfp_zones[16] = {2, 0, 2, 1, 1, 0, 0, 0, 2, 0, 3, 0, 1, 0, 0, 0};
static int32_t event_of_type[8], PGFREE;
static int config_numa = 1, config_cma = 0, config_dma32 = 1, freelist_hygiene = 0;
static struct {
  void (*alloc)(int, int, int, int);
  void (*free)(int, int);
  void (*zone_locked)(int, int, int, int);
  void (*pcpu_drain)(int, int, int);
  void (*extfrag)(int, int, int, int, int, int);
} trace;

static void stop(const char *why) {
  fprintf(stderr, "%s\n", why);
  exit(1);
}

// ---- locks, counters ----
static void take(sysp s, int class) {
  int cpu = s->machine_this_cpu[0], held = s->cpu_held[cpu];
  if (held >= class) stop("lock order");
  s->cpu_held[cpu] = held | class;
}
static void drop(sysp s, int class) {
  int cpu = s->machine_this_cpu[0], held = s->cpu_held[cpu];
  if ((held & class) == 0) stop("lock order");
  s->cpu_held[cpu] = held & ~class;
}
static void zone_lock(sysp s, int zone) {
  take(s, LOCK_ZONE);
  s->zone_lock_acquired[zone] += 1;
}
static void pcp_lock(sysp s, int pcp) {
  take(s, LOCK_PCP);
  s->pcp_lock_acquired[pcp] += 1;
}
static void mod_zone_page_state(sysp s, int zone, int item, int delta) {
  int pcp = zone * s->nr_cpus + s->machine_this_cpu[0], at = pcp * ZONE_ITEMS + item;
  int diff = s->zone_stat_diff_vm_stat_diff[at] + delta, threshold = s->pcp_stat_threshold[pcp];
  if (diff > threshold || diff < -threshold) {
    s->zone_stat_vm_stat[zone * ZONE_ITEMS + item] += diff;
    diff = 0;
  }
  s->zone_stat_diff_vm_stat_diff[at] = diff;
}
static void mod_zone_freepage_state(sysp s, int zone, int pages, int type) {
  mod_zone_page_state(s, zone, FREE_PAGES, pages);
  if (type == s->MIGRATE_CMA) mod_zone_page_state(s, zone, FREE_CMA, pages);
}
static void zone_statistics(sysp s, int preferred, int zone, int nr) {
  if (!config_numa || s->machine_numa_stats[0] == 0) return;
  int node = zone / s->nr_zone_types, preferred_node = preferred / s->nr_zone_types;
  double *count = s->numa_stat_count;
  if (node == preferred_node) count[zone * NUMA_ITEMS] += nr;
  else {
    count[zone * NUMA_ITEMS + 1] += nr;
    count[preferred * NUMA_ITEMS + 2] += nr;
  }
  count[zone * NUMA_ITEMS + (node == s->cpu_node[s->machine_this_cpu[0]] ? 4 : 5)] += nr;
}

// ---- zones and pageblocks ----
static int zone_spanning(sysp s, int pfn) {
  for (int zone = 0; zone < s->nr_zones; zone++)
    if (pfn >= s->zone_zone_start_pfn[zone] && pfn < s->zone_zone_start_pfn[zone] + s->zone_spanned_pages[zone])
      return zone;
  return -1;
}
static int page_zone(sysp s, int pfn) {
  int zone = s->block_zone[pfn >> s->block_shift];
  return zone == BLOCK_ZONE_SPLIT ? zone_spanning(s, pfn) : zone;
}
static int block_type(sysp s, int zone, int pfn) {
  return s->pageblock_migratetype[s->zone_pageblock_offset[zone] + (pfn >> s->pageblock_order)];
}
static void set_block_type(sysp s, int zone, int pfn, int type) {
  if (s->machine_page_group_by_mobility_disabled[0] != 0 && type < PCPTYPES) type = UNMOVABLE;
  s->pageblock_migratetype[s->zone_pageblock_offset[zone] + (pfn >> s->pageblock_order)] = type;
}

// ---- buddy ----
static int free_head(sysp s, int zone, int order, int type) {
  return s->free_list_base + (zone * s->NR_PAGE_ORDERS + order) * s->MIGRATE_TYPES + type;
}
static int pcp_allowed_order(sysp s, int order) { return order <= 3 || order == s->pcp_huge_order; }

static int list_lazy_block(sysp s, int zone) {
  int block = s->zone_lazy_block[zone], pfn = block << s->block_shift;
  s->block_state[block] = BLOCK_TOUCHED;
  s->zone_lazy_count[zone] -= 1;
  s->zone_lazy_touched[zone] += 1;
  if (s->zone_lazy_count[zone] != 0) {
    int step = s->zone_lazy_step[zone], next = block + step;
    while (s->block_state[next] != BLOCK_LAZY || s->block_zone[next] != zone) next += step;
    s->zone_lazy_block[zone] = next;
  }
  int32_t *link = s->link_link;
  int head = free_head(s, zone, s->block_shift, MOVABLE), prev = link[2 * head + 1];
  link[2 * pfn] = head;
  link[2 * pfn + 1] = prev;
  link[2 * prev] = pfn;
  link[2 * head + 1] = pfn;
  s->page_state[pfn] = s->block_shift + 1;
  return pfn;
}
static void account_added(sysp s, int pfn, int zone, int order, int type) {
  s->page_state[pfn] = order + 1;
  s->free_area_nr_free[zone * s->NR_PAGE_ORDERS + order] += 1;
  s->free_mask_orders[zone * s->MIGRATE_TYPES + type] |= 1 << order;
}
static void add_to_free_list(sysp s, int pfn, int zone, int order, int type) {
  int32_t *link = s->link_link;
  int head = free_head(s, zone, order, type), next = link[2 * head];
  link[2 * pfn] = next;
  link[2 * pfn + 1] = head;
  link[2 * next + 1] = pfn;
  link[2 * head] = pfn;
  account_added(s, pfn, zone, order, type);
}
static void add_to_free_list_tail(sysp s, int pfn, int zone, int order, int type) {
  if (order == s->block_shift && type == MOVABLE)
    while (s->zone_lazy_count[zone] != 0) list_lazy_block(s, zone);
  int32_t *link = s->link_link;
  int head = free_head(s, zone, order, type), prev = link[2 * head + 1];
  link[2 * pfn] = head;
  link[2 * pfn + 1] = prev;
  link[2 * prev] = pfn;
  link[2 * head + 1] = pfn;
  account_added(s, pfn, zone, order, type);
}
static void list_became_empty(sysp s, int head, int zone, int order) {
  int type = (head - s->free_list_base) % s->MIGRATE_TYPES;
  if (order == s->block_shift && type == MOVABLE && s->zone_lazy_count[zone] != 0) return;
  s->free_mask_orders[zone * s->MIGRATE_TYPES + type] &= ~(1 << order);
}
static void del_page_from_free_list(sysp s, int pfn, int zone, int order) {
  int32_t *link = s->link_link;
  int next = link[2 * pfn], prev = link[2 * pfn + 1];
  link[2 * next + 1] = prev;
  link[2 * prev] = next;
  s->page_state[pfn] = 0;
  s->free_area_nr_free[zone * s->NR_PAGE_ORDERS + order] -= 1;
  if (next == prev) list_became_empty(s, next, zone, order);
}
static int first_of_free_area(sysp s, int zone, int order, int type) {
  int head = free_head(s, zone, order, type), first = s->link_link[2 * head];
  return first == head ? list_lazy_block(s, zone) : first;
}
static int free_area_empty(sysp s, int zone, int order, int type) {
  return (s->free_mask_orders[zone * s->MIGRATE_TYPES + type] & (1 << order)) == 0;
}
static void expand(sysp s, int zone, int pfn, int low, int high, int type) {
  int32_t *link = s->link_link;
  int area = zone * s->NR_PAGE_ORDERS, stride = s->MIGRATE_TYPES;
  int head = s->free_list_base + (area + high - 1) * stride + type;
  for (int order = high - 1; order >= low; order--, head -= stride) {
    int half = pfn + (1 << order);
    link[2 * half] = link[2 * half + 1] = head;
    link[2 * head] = link[2 * head + 1] = half;
    s->page_state[half] = order + 1;
    s->free_area_nr_free[area + order] += 1;
  }
  s->free_mask_orders[zone * stride + type] |= (1 << high) - (1 << low);
}
static int rmqueue_smallest(sysp s, int zone, int order, int type) {
  int orders = s->free_mask_orders[zone * s->MIGRATE_TYPES + type] & (int)(~0u << order);
  if (orders == 0) return -1;
  int current = __builtin_ctz(orders), pfn = first_of_free_area(s, zone, current, type);
  del_page_from_free_list(s, pfn, zone, current);
  if (current != order) expand(s, zone, pfn, order, current, type);
  s->page_index[pfn] = type;
  if (trace.zone_locked) trace.zone_locked(pfn, order, type, type < PCPTYPES && pcp_allowed_order(s, order));
  return pfn;
}
static int mergeable(int type) { return type < PCPTYPES; }
static int buddy_merge_likely(sysp s, int zone, int pair, int order, int split) {
  if (order >= s->block_shift - 1) return 0;
  int higher = pair ^ (1 << (order + 1));
  return s->page_state[higher] == order + 2 && !(split && page_zone(s, higher) != zone);
}
static void free_one(sysp s, int pfn, int zone, int order, int type) {
  int max_order = s->block_shift, split = s->block_zone[pfn >> max_order] == BLOCK_ZONE_SPLIT;
  if (type != s->MIGRATE_ISOLATE) mod_zone_freepage_state(s, zone, 1 << order, type);
  int buddy = pfn ^ (1 << order);
  while (order < max_order && s->page_state[buddy] == order + 1) {
    if (split && page_zone(s, buddy) != zone) break;
    if (order >= s->pageblock_order) {
      int other = block_type(s, zone, buddy);
      if (other != type && !(mergeable(other) && mergeable(type))) break;
    }
    del_page_from_free_list(s, buddy, zone, order);
    if (order >= s->pageblock_order && freelist_hygiene) set_block_type(s, zone, buddy, type);
    pfn &= buddy;
    order++;
    buddy = pfn ^ (1 << order);
  }
  if (buddy_merge_likely(s, zone, pfn & buddy, order, split)) add_to_free_list_tail(s, pfn, zone, order, type);
  else add_to_free_list(s, pfn, zone, order, type);
}

// ---- fallback, as kernels up to 6.9 have it ----
static const int8_t fallbacks[6] = {RECLAIMABLE, MOVABLE, RECLAIMABLE, UNMOVABLE, UNMOVABLE, MOVABLE};

static int can_steal(sysp s, int order, int start) {
  if (order >= s->pageblock_order >> 1 || start != MOVABLE) return 1;
  return s->machine_page_group_by_mobility_disabled[0] != 0;
}
static int suitable(sysp s, int zone, int order, int type) {
  for (int i = 0; i < 2; i++)
    if (!free_area_empty(s, zone, order, fallbacks[2 * type + i])) return fallbacks[2 * type + i];
  return -1;
}
static int block_start(sysp s, int zone, int pfn) {
  int start = pfn & -s->pageblock_nr_pages, zone_start = s->zone_zone_start_pfn[zone];
  if (start + s->pageblock_nr_pages > zone_start + s->zone_spanned_pages[zone]) return -1;
  return start < zone_start ? pfn : start;
}
static int buddy_order(sysp s, int pfn) {
  int state = s->page_state[pfn];
  if (state > 0 && state <= s->NR_PAGE_ORDERS) return state - 1;
  int lazy = s->block_state[pfn >> s->block_shift] == BLOCK_LAZY && (pfn & ((1 << s->block_shift) - 1)) == 0;
  return lazy ? s->block_shift : -1;
}
static void move_to_free_list(sysp s, int pfn, int zone, int order, int type) {
  del_page_from_free_list(s, pfn, zone, order);
  add_to_free_list_tail(s, pfn, zone, order, type);
}
static int move_freepages_block(sysp s, int zone, int pfn, int type) {
  int at = block_start(s, zone, pfn), end = (pfn & -s->pageblock_nr_pages) + s->pageblock_nr_pages, moved = 0;
  if (at == -1) return 0;
  while (s->block_state[pfn >> s->block_shift] == BLOCK_LAZY) list_lazy_block(s, zone);
  while (at < end) {
    int order = buddy_order(s, at);
    if (order < 0) {
      at++;
      continue;
    }
    move_to_free_list(s, at, zone, order, type);
    at += 1 << order;
    moved += 1 << order;
  }
  return moved;
}
static int count_movable(sysp s, int zone, int pfn) {
  int at = block_start(s, zone, pfn), end = (pfn & -s->pageblock_nr_pages) + s->pageblock_nr_pages, movable = 0;
  while (at < end) {
    int state = s->page_state[at];
    if (state > 0 && state <= s->NR_PAGE_ORDERS) {
      at += 1 << (state - 1);
      continue;
    }
    int head = s->page_flags[at] & PG_TAIL ? s->page_index[at] : at;
    if (s->page_flags[head] & (PG_LRU | PG_MOVABLE)) movable++;
    at++;
  }
  return movable;
}
static int worth(sysp s, int zone, int pfn, int free_pages, int old, int start) {
  int movable = count_movable(s, zone, pfn), alike = 0;
  if (start == MOVABLE) alike = movable;
  else if (old == MOVABLE) alike = s->pageblock_nr_pages - (free_pages + movable);
  return free_pages + alike >= 1 << (s->pageblock_order - 1) || s->machine_page_group_by_mobility_disabled[0] != 0;
}
static int boost_watermark(sysp s, int zone) {
  int factor = s->sysctl_watermark_boost_factor[0], pages = s->pageblock_nr_pages;
  if (factor == 0 || pages * 4 > s->zone_managed_pages[zone]) return 0;
  int most = (int)((int64_t)s->zone_watermark[4 * zone + WMARK_HIGH] * factor / 10000);
  if (most == 0) return 0;
  int boost = s->zone_watermark_boost[zone] + pages, limit = most > pages ? most : pages;
  s->zone_watermark_boost[zone] = boost < limit ? boost : limit;
  return 1;
}
static void steal(sysp s, int zone, int pfn, int order, int flags, int start, int whole) {
  int old = block_type(s, zone, pfn);
  if (old != HIGHATOMIC) {
    if (order >= s->pageblock_order) {
      for (int at = pfn; at < pfn + (1 << order); at += s->pageblock_nr_pages) set_block_type(s, zone, at, start);
    } else {
      if (boost_watermark(s, zone) && (flags & ALLOC_KSWAPD)) s->zone_flags[zone] |= ZONE_BOOSTED_WATERMARK;
      int moved = whole ? move_freepages_block(s, zone, pfn, start) : 0;
      if (moved != 0) {
        if (worth(s, zone, pfn, moved, old, start)) set_block_type(s, zone, pfn, start);
        return;
      }
    }
  }
  move_to_free_list(s, pfn, zone, order, start);
}
static int rmqueue_fallback(sysp s, int zone, int order, int start, int flags) {
  int least = order < s->pageblock_order && (flags & ALLOC_NOFRAGMENT) ? s->pageblock_order : order;
  int current = s->block_shift;
  while (current >= least && suitable(s, zone, current, start) == -1) current--;
  if (current < least) return -1;
  if (!can_steal(s, current, start) && current > order) {
    current = order;
    while (suitable(s, zone, current, start) == -1) current++;
  }
  int type = suitable(s, zone, current, start), pfn = first_of_free_area(s, zone, current, type);
  steal(s, zone, pfn, current, flags, start, can_steal(s, current, start));
  if (trace.extfrag) trace.extfrag(pfn, order, current, start, type, block_type(s, zone, pfn) == start);
  return rmqueue_smallest(s, zone, order, start);
}
static int rmqueue_any(sysp s, int zone, int order, int type, int flags) {
  int cma = s->MIGRATE_CMA >= 0 && (flags & ALLOC_CMA);
  if (cma) stop("no CMA here");
  int pfn = rmqueue_smallest(s, zone, order, type);
  return pfn != -1 ? pfn : rmqueue_fallback(s, zone, order, type, flags);
}

// ---- per-CPU lists, with the rules of 6.1 ----
static int to_pindex(sysp s, int type, int order) {
  if (order <= COSTLY_ORDER) return PCPTYPES * order + type;
  return LOW_LISTS + (s->nr_pcp_lists > LOW_LISTS + 1 && type == MOVABLE);
}
static int to_order(sysp s, int pindex) { return pindex >= LOW_LISTS ? s->pcp_huge_order : pindex / PCPTYPES; }

static int rmqueue_bulk(sysp s, int zone, int order, int count, int head, int type, int flags) {
  int32_t *link = s->link_link;
  int got = 0;
  zone_lock(s, zone);
  for (; got < count; got++) {
    int pfn = rmqueue_any(s, zone, order, type, flags);
    if (pfn == -1) break;
    int prev = link[2 * head + 1];
    link[2 * pfn] = head;
    link[2 * pfn + 1] = prev;
    link[2 * prev] = pfn;
    link[2 * head + 1] = pfn;
    s->page_state[pfn] = PAGE_PCP | (order + 1);
    if (s->page_index[pfn] == s->MIGRATE_CMA) mod_zone_page_state(s, zone, FREE_CMA, -(1 << order));
  }
  mod_zone_page_state(s, zone, FREE_PAGES, -(got << order));
  drop(s, LOCK_ZONE);
  return got;
}
static int nr_pcp_alloc(sysp s, int pcp, int order) {
  int batch = s->pcp_batch[pcp], scaled = batch >> order;
  return batch > 1 ? (scaled > 2 ? scaled : 2) : batch;
}
static int nr_pcp_free(sysp s, int pcp, int zone, int order) {
  int factor = s->pcp_free_factor[pcp], all = factor != 0 && order != 0 && order <= COSTLY_ORDER;
  int high = s->pcp_high[pcp], batch = s->pcp_batch[pcp], count = s->pcp_count[pcp];
  if (high == 0 || all) high = 0;
  else if (s->zone_flags[zone] & ZONE_RECLAIM_ACTIVE) high = batch << 2 < high ? batch << 2 : high;
  if (count < high) return 0;
  if (all) return count;
  if (high < batch) return 1;
  int most = high - batch, scaled = batch << factor;
  if (scaled < most && factor < BATCH_SCALE_MAX) s->pcp_free_factor[pcp] = factor + 1;
  if (scaled < batch) scaled = batch;
  return scaled < most ? scaled : most;
}
static int rmqueue_pcplist(sysp s, int zone, int order, int type, int flags) {
  int pcp = zone * s->nr_cpus + s->machine_this_cpu[0];
  int32_t *link = s->link_link;
  int head = s->pcp_list_base + pcp * s->nr_pcp_lists + to_pindex(s, type, order);
  pcp_lock(s, pcp);
  s->pcp_free_factor[pcp] >>= 1;
  if (link[2 * head] == head) {
    int blocks = nr_pcp_alloc(s, pcp, order);
    s->pcp_count[pcp] += rmqueue_bulk(s, zone, order, blocks, head, type, flags) << order;
  }
  int pfn = link[2 * head];
  if (pfn == head) pfn = -1;
  else {
    int next = link[2 * pfn];
    link[2 * head] = next;
    link[2 * next + 1] = head;
    s->pcp_count[pcp] -= 1 << order;
  }
  drop(s, LOCK_PCP);
  return pfn;
}
static void free_pcppages_bulk(sysp s, int zone, int count, int pcp, int pindex) {
  int32_t *link = s->link_link;
  int lists = s->nr_pcp_lists, first = s->pcp_list_base + pcp * lists;
  int left = count < s->pcp_count[pcp] ? count : s->pcp_count[pcp];
  zone_lock(s, zone);
  while (left > 0) {
    int head = first + pindex, order = to_order(s, pindex);
    while (left > 0 && link[2 * head] != head) {
      int pfn = link[2 * head + 1], prev = link[2 * pfn + 1];
      link[2 * prev] = head;
      link[2 * head + 1] = prev;
      int by_block = freelist_hygiene || s->zone_nr_isolate_pageblock[zone] != 0;
      int type = by_block ? block_type(s, zone, pfn) : s->page_index[pfn];
      s->page_state[pfn] = 0;
      free_one(s, pfn, zone, order, type);
      if (trace.pcpu_drain) trace.pcpu_drain(pfn, order, type);
      s->pcp_count[pcp] -= 1 << order;
      left -= 1 << order;
    }
    pindex = pindex + 1 == lists ? 0 : pindex + 1;
  }
  drop(s, LOCK_ZONE);
}
static void free_one_page(sysp s, int pfn, int zone, int order, int type) {
  zone_lock(s, zone);
  s->page_state[pfn] = 0;
  free_one(s, pfn, zone, order, type);
  drop(s, LOCK_ZONE);
}
static void free_unref_page(sysp s, int pfn, int zone, int order) {
  int type = block_type(s, zone, pfn);
  s->page_index[pfn] = type;
  if (type == s->MIGRATE_ISOLATE) {
    free_one_page(s, pfn, zone, order, type);
    return;
  }
  int pcp = zone * s->nr_cpus + s->machine_this_cpu[0];
  int pindex = to_pindex(s, type >= PCPTYPES ? MOVABLE : type, order);
  pcp_lock(s, pcp);
  int32_t *link = s->link_link;
  int head = s->pcp_list_base + pcp * s->nr_pcp_lists + pindex, next = link[2 * head];
  link[2 * pfn] = next;
  link[2 * pfn + 1] = head;
  link[2 * next + 1] = pfn;
  link[2 * head] = pfn;
  s->page_state[pfn] = PAGE_PCP | (order + 1);
  s->pcp_count[pcp] += 1 << order;
  int surplus = nr_pcp_free(s, pcp, zone, order);
  if (surplus > 0) free_pcppages_bulk(s, zone, surplus, pcp, pindex);
  drop(s, LOCK_PCP);
}

// ---- watermarks ----
static int unusable_free(sysp s, int zone, int order, int flags) {
  int unusable = (1 << order) - 1;
  if ((flags & ALLOC_RESERVES) == 0) unusable += s->zone_nr_reserved_highatomic[zone];
  if ((flags & ALLOC_CMA) == 0 && s->MIGRATE_CMA >= 0) unusable += s->zone_stat_vm_stat[zone * ZONE_ITEMS + FREE_CMA];
  return unusable;
}
static int usable_orders(sysp s, int zone, int flags) {
  const int32_t *orders = s->free_mask_orders + zone * s->MIGRATE_TYPES;
  int usable = orders[0] | orders[1] | orders[2];
  if ((flags & ALLOC_CMA) && s->MIGRATE_CMA >= 0) usable |= orders[s->MIGRATE_CMA];
  if (flags & (ALLOC_HIGHATOMIC | ALLOC_OOM)) usable |= orders[HIGHATOMIC];
  return usable;
}
static int zone_watermark_ok(sysp s, int zone, int order, int mark, int highest, int flags, int free_pages) {
  if (flags & ALLOC_RESERVES) stop("no reserves here");
  int left = free_pages - unusable_free(s, zone, order, flags);
  if (left <= mark + s->zone_lowmem_reserve[8 * zone + highest]) return 0;
  return order == 0 || (uint32_t)usable_orders(s, zone, flags) >> order != 0;
}
static int zone_watermark_fast(sysp s, int zone, int order, int mark, int highest, int flags) {
  int free_pages = s->zone_stat_vm_stat[zone * ZONE_ITEMS + FREE_PAGES];
  if (order == 0) {
    int unusable = unusable_free(s, zone, 0, flags);
    int usable = free_pages - (unusable < free_pages ? unusable : free_pages);
    if (usable > mark + s->zone_lowmem_reserve[8 * zone + highest]) return 1;
  }
  return zone_watermark_ok(s, zone, order, mark, highest, flags, free_pages);
}

// ---- alloc_pages, free_pages ----
static int rmqueue_buddy(sysp s, int zone, int order, int flags, int type) {
  if (flags & (ALLOC_HIGHATOMIC | ALLOC_OOM | ALLOC_NON_BLOCK)) stop("no reserves here");
  zone_lock(s, zone);
  int pfn = rmqueue_any(s, zone, order, type, flags);
  if (pfn != -1) mod_zone_freepage_state(s, zone, -(1 << order), s->page_index[pfn]);
  drop(s, LOCK_ZONE);
  return pfn;
}
static int rmqueue(sysp s, int preferred, int zone, int order, int flags, int type) {
  int pfn = -1;
  int cma_in_list = s->MIGRATE_CMA >= 0 && type == MOVABLE && (flags & ALLOC_CMA) == 0;
  if (pcp_allowed_order(s, order) && !cma_in_list) pfn = rmqueue_pcplist(s, zone, order, type, flags);
  if (pfn == -1) pfn = rmqueue_buddy(s, zone, order, flags, type);
  if (pfn != -1) {
    s->vm_event_count[event_of_type[zone % s->nr_zone_types]] += 1 << order;
    zone_statistics(s, preferred, zone, 1);
  }
  if ((flags & ALLOC_KSWAPD) && (s->zone_flags[zone] & ZONE_BOOSTED_WATERMARK))
    s->zone_flags[zone] &= ~ZONE_BOOSTED_WATERMARK;
  return pfn;
}
static void prep_new_page(sysp s, int pfn, int order, int gfp) {
  s->page_state[pfn] = PAGE_USED | (order + 1);
  s->page__refcount[pfn] = 1;
  s->page_flags[pfn] = 0;
  s->page_private[pfn] = 0;
  s->page_index[pfn] = 0;
  if (order != 0 && (gfp & GFP_COMP)) stop("no compound pages here");
}
static int first_zone(sysp s, int list, int highest) {
  for (int at = list; s->zonelist_zones[at] != -1; at++)
    if (s->zonelist_zones[at] % s->nr_zone_types <= highest) return at;
  return -1;
}
static int get_page_from_freelist(sysp s, int gfp, int order, int flags, int preferred, int highest, int type) {
  const int32_t *zones = s->zonelist_zones;
  int types = s->nr_zone_types, preferred_zone = zones[preferred];
  for (;;) {
    int restart = 0;
    for (int at = preferred; zones[at] != -1; at++) {
      int zone = zones[at];
      if (zone % types > highest) continue;
      int remote = zone != preferred_zone && zone / types != preferred_zone / types;
      if (remote && (flags & ALLOC_NOFRAGMENT) && s->machine_nr_online_nodes[0] > 1) {
        restart = 1;
        break;
      }
      int mark = s->zone_watermark[4 * zone + (flags & ALLOC_WMARK_MASK)] + s->zone_watermark_boost[zone];
      if (!zone_watermark_fast(s, zone, order, mark, highest, flags) && !(flags & ALLOC_NO_WATERMARKS)) continue;
      int pfn = rmqueue(s, preferred_zone, zone, order, flags, type);
      if (pfn == -1) continue;
      prep_new_page(s, pfn, order, gfp);
      return pfn;
    }
    if (!restart && !(flags & ALLOC_NOFRAGMENT)) return -1;
    flags &= ~ALLOC_NOFRAGMENT;
  }
}
static int alloc_pages(sysp s, int gfp, int order) {
  if (order >= s->NR_PAGE_ORDERS) stop("order");
  int nid = s->cpu_numa_mem[s->machine_this_cpu[0]];
  gfp &= s->machine_gfp_allowed_mask[0];
  int highest = gfp_zones[gfp & 15];
  int type = s->machine_page_group_by_mobility_disabled[0] != 0 ? UNMOVABLE : (gfp & 0x18) >> 3;
  int list = (2 * nid + (config_numa && (gfp & GFP_THISNODE))) * s->zonelist_length;
  int preferred = first_zone(s, list, highest), pfn = -1;
  if (preferred != -1) {
    int zone = s->zonelist_zones[preferred], flags = ALLOC_WMARK_LOW | (gfp & GFP_KSWAPD);
    if (config_cma && type == MOVABLE) flags |= ALLOC_CMA;
    if (config_dma32 && zone % s->nr_zone_types == ZONE_NORMAL &&
        !(s->machine_nr_online_nodes[0] > 1 && s->zone_present_pages[zone - 1] <= 0))
      flags |= ALLOC_NOFRAGMENT;
    pfn = get_page_from_freelist(s, gfp, order, flags, preferred, highest, type);
    if (pfn == -1) stop("no slow path here");
  }
  if (trace.alloc) trace.alloc(pfn, order, gfp, type);
  return pfn;
}
static void free_pages(sysp s, int pfn, int order) {
  if (s->page_state[pfn] != (PAGE_USED | (order + 1)) || s->page__refcount[pfn] <= 0) stop("bad free");
  if (--s->page__refcount[pfn] != 0) return;
  if (trace.free) trace.free(pfn, order);
  if (s->page_flags[pfn] & PG_HEAD)
    for (int tail = pfn + 1; tail < pfn + (1 << order); tail++) s->page_flags[tail] = 0;
  s->page_flags[pfn] = 0;
  s->page_mapping[pfn] = 0;
  s->page_memcg[pfn] = 0;
  int zone = page_zone(s, pfn);
  s->vm_event_count[PGFREE] += 1 << order;
  if (pcp_allowed_order(s, order)) free_unref_page(s, pfn, zone, order);
  else free_one_page(s, pfn, zone, order, block_type(s, zone, pfn));
}
