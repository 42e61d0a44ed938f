/* Tree-lane slicing (trees_lanes.h). For each heap slot s, in byte lanes t = 0 .. 63:
 *
 *   d_s = (row[entry_s,t] + (255 - rank_s,t) + 1) / 2       top bit: the row's rank >= the slot's
 *   plane_0 = d_0;  plane_l = the d_s of level l that planes 0 .. l - 1 lead to
 *
 * The choice is a tree of three-input multiplexers. The planes' top bits are the number of the
 * path a tree took: about three instructions a tree for six levels.
 */
#include "trees_lanes.h"

#if defined(__AVX512VBMI__)
#define INLINE static inline __attribute__((always_inline))

typedef struct top {
    const uint8_t *slots;      /* of a group */
    const uint64_t *words;     /* of a group: lanes whose categorical split says right */
    mlf_bytes_row row;
    __m512i planes[MLF_LANE_LEVELS];
    int members;
} top;

/* choose<n>: the decision n levels below `slot`, chosen by planes[p] .. planes[p + n - 1]. */
INLINE __m512i choose0(const top *x, int p, int slot)
{
    (void)p;
    const uint8_t *at = x->slots + (size_t)slot * 2 * MLF_LANES;
    __m512i value = mlf_bytes_look_up(&x->row, _mm512_load_si512(at));
    __m512i d = _mm512_avg_epu8(value, _mm512_load_si512(at + MLF_LANES));
    if (x->members)
        d = _mm512_mask_mov_epi8(d, x->words[slot], _mm512_set1_epi8(-1));
    return d;
}

#define CHOOSE(n, below)                                                                       \
    INLINE __m512i choose##n(const top *x, int p, int slot)                                    \
    {                                                                                          \
        __m512i left = choose##below(x, p + 1, 2 * slot + 1);                                  \
        __m512i right = choose##below(x, p + 1, 2 * slot + 2);                                 \
        return _mm512_ternarylogic_epi64(x->planes[p], right, left, 0xca);   /* p ? r : l */   \
    }
CHOOSE(1, 0)
CHOOSE(2, 1)
CHOOSE(3, 2)
CHOOSE(4, 3)
CHOOSE(5, 4)

/* Bit 7 of plane l to bit 7 - l of each byte. */
INLINE __m512i gather_bits(__m512i paths, __m512i plane, int l)
{
    __m512i bit = _mm512_set1_epi8((char)(0x80 >> l));
    return _mm512_ternarylogic_epi64(paths, _mm512_srli_epi16(plane, (unsigned)l), bit, 0xf8);
}

/* The path each of 64 trees took through its top levels, in the high bits of a byte. */
INLINE __m512i paths_of(top *x, int levels)
{
#define LEVEL(l)                                                                               \
    if (levels > l) {                                                                          \
        x->planes[l] = choose##l(x, 0, 0);                                                     \
        paths = gather_bits(paths, x->planes[l], l);                                           \
    }
    __m512i paths = _mm512_setzero_si512();
    LEVEL(0) LEVEL(1) LEVEL(2) LEVEL(3) LEVEL(4) LEVEL(5)
#undef LEVEL
    return paths;
}

/* Everything a row needs besides the plan. */
typedef struct work {
    uint64_t *words;
    int32_t *leaf, *nodes, *trees;   /* trees: those still on their way, at nodes */
    double *raw;
    mlf_running running;
} work;

INLINE __m512i sixteen_from(int32_t t)
{
    __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_add_epi32(lane, _mm512_set1_epi32(t));
}

/* Lists the lanes of `some` behind the first n; returns the new length. */
INLINE int32_t keep(const work *w, int32_t n, __mmask16 some, __m512i node, __m512i tree)
{
    _mm512_storeu_si512(w->nodes + n, _mm512_maskz_compress_epi32(some, node));
    _mm512_storeu_si512(w->trees + n, _mm512_maskz_compress_epi32(some, tree));
    return n + _mm_popcnt_u32(some);
}

/* The tops, group by group. Without a tail the leaves are added at once, so that the slow chain
 * of additions runs beside the next group; else returns the number of trees on their way. */
INLINE int32_t walk_tops(const mlf_lanes *lanes, work *w, top *x, int levels)
{
    int32_t open = 0;
    for (int32_t g = 0; g < lanes->n_groups; g++) {
        size_t slot = (size_t)g * (((size_t)1 << levels) - 1);
        x->slots = lanes->slots + slot * 2 * MLF_LANES;
        x->words = w->words + slot;
        __m512i paths = paths_of(x, levels);
        const __m128i quarters[4] = {
            _mm512_extracti32x4_epi32(paths, 0), _mm512_extracti32x4_epi32(paths, 1),
            _mm512_extracti32x4_epi32(paths, 2), _mm512_extracti32x4_epi32(paths, 3) };
        for (int q = 0; q < 4 && g * MLF_LANES + 16 * q < lanes->n_trees; q++) {
            int32_t t = g * MLF_LANES + 16 * q;
            __m512i path = _mm512_srli_epi32(_mm512_cvtepu8_epi32(quarters[q]),
                                             (unsigned)(8 - levels));
            __m512i tree = sixteen_from(t);
            __m512i place = _mm512_add_epi32(_mm512_slli_epi32(tree, (unsigned)levels), path);
            if (lanes->tail) {
                place = _mm512_i32gather_epi32(place, lanes->exits, 4);
                __m512i node = _mm512_ternarylogic_epi32(place, place, place, 0x0f);
                open = keep(w, open, _mm512_movepi32_mask(place), node, tree);
            }
            _mm512_storeu_si512(w->leaf + t, place);
        }
        if (!lanes->tail) {
            int32_t from = g * MLF_LANES, to = from + MLF_LANES;
            to = to < lanes->n_trees ? to : lanes->n_trees;
            mlf_sum_trees(&lanes->sum, &w->running, w->leaf + from, from, to, w->raw);
        }
    }
    return open;
}

/* Categorical splits among the lanes `going`: bit of the code in the node's set. */
INLINE __mmask16 in_sets(const mlf_lanes *lanes, __m512i at, __m512i entry, __m512i code,
                         __mmask16 going, __mmask16 right)
{
    __m512i member = _mm512_sub_epi32(entry, _mm512_set1_epi32(lanes->bytes.prepare.n_numeric));
    __mmask16 those = _mm512_mask_cmplt_epu32_mask(going, member,
                                                   _mm512_set1_epi32(lanes->n_members));
    if (those == 0)
        return right;
    __m512i word = _mm512_mask_i32gather_epi32(member, those, at, lanes->node_sets, 4);
    word = _mm512_add_epi32(word, _mm512_srli_epi32(code, 5));
    __m512i bits = _mm512_mask_i32gather_epi32(member, those, word, lanes->sets, 4);
    bits = _mm512_srlv_epi32(bits, _mm512_and_si512(code, _mm512_set1_epi32(31)));
    __mmask16 bit = _mm512_mask_test_epi32_mask(those, bits, _mm512_set1_epi32(1));
    return (__mmask16)((right & ~those) | bit);
}

/* One level of the tail: lanes `going` move on from node *at, whose record is *node. */
INLINE __mmask16 step(const mlf_lanes *lanes, const top *x, __m512i *at, __m512i *node,
                      __mmask16 going)
{
    __m512i byte = _mm512_set1_epi32(255);
    __m512i value = _mm512_and_si512(mlf_bytes_look_up(&x->row, *node), byte);
    __m512i least = _mm512_and_si512(_mm512_srli_epi32(*node, 8), byte);
    __mmask16 right = _mm512_cmpge_epu32_mask(value, least);
    if (x->members)
        right = in_sets(lanes, *at, _mm512_and_si512(*node, byte), value, going, right);
    __m512i distance = _mm512_srli_epi32(*node, 16);
    *at = _mm512_mask_add_epi32(*at, going, *at, distance);
    *at = _mm512_mask_add_epi32(*at, going & right, *at, _mm512_set1_epi32(1));
    *node = _mm512_mask_i32gather_epi32(*node, going, *at, lanes->nodes, 4);
    return going & (__mmask16)~_mm512_movepi32_mask(*node);
}

/* Passes over the unfinished trees, some levels each: leaves are noted, the others kept. */
INLINE void walk_tails(const mlf_lanes *lanes, const work *w, const top *x, int32_t open)
{
    while (open > 0) {
        int32_t kept = 0, levels = open > 16 ? 2 : INT32_MAX;
        for (int32_t i = 0; i < open; i += 16) {
            int32_t left = open - i;
            __mmask16 all = left >= 16 ? 0xffff : (__mmask16)((1 << left) - 1);
            __m512i at = _mm512_loadu_si512(w->nodes + i), tree = _mm512_loadu_si512(w->trees + i);
            __m512i node = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), all, at,
                                                       lanes->nodes, 4);
            __mmask16 going = all & (__mmask16)~_mm512_movepi32_mask(node);
            for (int32_t level = 0; level < levels && going != 0; level++)
                going = step(lanes, x, &at, &node, going);
            __m512i leaf = _mm512_andnot_si512(_mm512_set1_epi32(INT32_MIN), node);
            _mm512_mask_i32scatter_epi32(w->leaf, all & ~going, tree, leaf, 4);
            if (going != 0)
                kept = keep(w, kept, going, at, tree);
        }
        open = kept;
    }
}

/* The words of the row's categories, all features together. */
static void join_members(const mlf_lanes *lanes, const work *w, const __m512i *left)
{
    uint8_t row[128];
    size_t n = (size_t)lanes->n_groups * (size_t)lanes->n_slots;
    _mm512_storeu_si512(row, left[0]);
    _mm512_storeu_si512(row + 64, left[1]);
    for (int32_t m = 0; m < lanes->n_members; m++) {
        const uint64_t *bits = lanes->member_bits[m] + row[lanes->bytes.prepare.n_numeric + m] * n;
        for (size_t i = 0; i < n; i++)
            w->words[i] = m == 0 ? bits[i] : w->words[i] | bits[i];
    }
}

INLINE void walk(const mlf_lanes *lanes, const double *x, ptrdiff_t stride, work *w, int registers,
                 int members)
{
    __m512i left[2];
    top to = { .row.registers = registers, .members = members };
    mlf_bytes_load(&lanes->bytes, x, stride, &to.row, left);
    if (members)
        join_members(lanes, w, left);
    w->running = mlf_sum_begin(&lanes->sum, w->raw);
    int32_t open = 0;
    if (lanes->levels <= MLF_LANE_FEW_LEVELS)
        open = walk_tops(lanes, w, &to, MLF_LANE_FEW_LEVELS);
    else
        open = walk_tops(lanes, w, &to, MLF_LANE_LEVELS);
    if (lanes->tail) {
        walk_tails(lanes, w, &to, open);
        mlf_sum_trees(&lanes->sum, &w->running, w->leaf, 0, lanes->n_trees, w->raw);
    }
    mlf_sum_end(&lanes->sum, &w->running, w->raw);
}

static void walk_any(const mlf_lanes *lanes, const double *x, ptrdiff_t stride, work *w)
{
    switch (2 * lanes->bytes.n_registers + (lanes->n_members > 0)) {
    case 2: walk(lanes, x, stride, w, 1, 0); break;
    case 3: walk(lanes, x, stride, w, 1, 1); break;
    case 4: walk(lanes, x, stride, w, 2, 0); break;
    case 5: walk(lanes, x, stride, w, 2, 1); break;
    case 8: walk(lanes, x, stride, w, 4, 0); break;
    default: walk(lanes, x, stride, w, 4, 1);
    }
}

static work layout_of(const mlf_lanes *lanes, void *scratch)
{
    size_t padded = (size_t)lanes->n_groups * MLF_LANES + 64;
    size_t words = (size_t)lanes->n_groups * (size_t)lanes->n_slots + 8;
    work w = { .words = scratch };
    w.leaf = (int32_t *)((uint8_t *)scratch + mlf_aligned(words * sizeof(uint64_t)));
    w.nodes = w.leaf + padded;
    w.trees = w.nodes + padded;
    w.raw = (double *)(w.trees + padded);
    return w;
}

void mlf_lanes_one_avx512(const void *data, const double *x, double *raw, void *scratch)
{
    work w = layout_of(data, scratch);
    w.raw = raw;
    walk_any(data, x, 1, &w);
}

void mlf_lanes_block_avx512(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                            double *raw, void *scratch)
{
    const mlf_lanes *lanes = data;
    work w = layout_of(lanes, scratch);
    for (int32_t r = 0; r < n; r++) {
        walk_any(lanes, x + r, stride, &w);
        for (int32_t k = 0; k < lanes->sum.n_outputs; k++)
            raw[k * stride + r] = w.raw[k];
    }
}

#endif
