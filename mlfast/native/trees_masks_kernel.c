/* Sets of leaves in byte planes (trees_masks.h). For each slot, in byte lanes t = 0 .. 63:
 *
 *   right_t   = row[entry_t] >= least_t
 *   plane_p,t = plane_p,t & ~(right_t & out_p,t)      for the planes p that the slot reaches
 *
 * The planes' bytes, side by side, are each tree's word; its leading zeros are the leaf's number.
 */
#include "trees_masks.h"

#if defined(__AVX512VBMI__)

#define INLINE static inline __attribute__((always_inline))

/* The last group's leaves, while they are added. An addition waits for the one before it; between
 * the slots of the next group that costs nothing. */
typedef struct adding {
    const double *values;
    const int32_t *leaf;
    int32_t left;
    double sum;
} adding;

INLINE void add(adding *a, int32_t n)
{
    for (int32_t j = 0; j < n; j++)
        a->sum += a->values[a->leaf[j]];
    a->leaf += n;
    a->left -= n;
}

/* The slots of plane p that reach back 2^reach planes; p and reach are constants. */
INLINE const uint8_t *take_out(const mlf_masks *masks, const mlf_bytes_row *row, int p, int reach,
                               const uint8_t *at, __m512i *planes, adding *a)
{
    for (int32_t n = masks->n_slots[p][reach]; n > 0; n--) {
        __m512i value = mlf_bytes_look_up(row, _mm512_load_si512(at));
        __mmask64 right = _mm512_cmpge_epu8_mask(value, _mm512_load_si512(at + MLF_LANES));
        __m512i all = _mm512_movm_epi8(right);
        at += 2 * MLF_LANES;
        for (int q = mlf_mask_from(p, reach); q <= p; q++, at += MLF_LANES)
            planes[q] = _mm512_ternarylogic_epi64(planes[q], all, _mm512_load_si512(at), 0x70);
        if (a->left >= 2)
            add(a, 2);
    }
    return at;
}

/* The possible leaves of a group's trees, words of n_planes bytes in the order of the trees; and
 * the last group's sum meanwhile. */
INLINE void meet(const mlf_masks *masks, const mlf_bytes_row *row, const uint8_t *at,
                 int n_planes, __m512i *words, adding *a)
{
    __m512i planes[MLF_MASK_PLANES];
    MLF_UNROLL for (int p = 0; p < n_planes; p++)
        planes[p] = _mm512_set1_epi8(-1);
#define PLANE(p)                                                                               \
    if (p < n_planes) {                                                                        \
        if (p > 3)                                                                             \
            at = take_out(masks, row, p, 3, at, planes, a);                                    \
        if (p > 1)                                                                             \
            at = take_out(masks, row, p, 2, at, planes, a);                                    \
        if (p > 0)                                                                             \
            at = take_out(masks, row, p, 1, at, planes, a);                                    \
        at = take_out(masks, row, p, 0, at, planes, a);                                        \
    }
    PLANE(0) PLANE(1) PLANE(2) PLANE(3) PLANE(4) PLANE(5) PLANE(6) PLANE(7)
#undef PLANE
    /* Plane 0 becomes the highest byte. */
    __m512i pairs[MLF_MASK_PLANES], fours[MLF_MASK_PLANES];
    MLF_UNROLL for (int p = 0; p < n_planes; p += 2) {
        pairs[p] = _mm512_unpacklo_epi8(planes[p + 1], planes[p]);
        pairs[p + 1] = _mm512_unpackhi_epi8(planes[p + 1], planes[p]);
    }
    MLF_UNROLL for (int p = 0; p < n_planes; p += 4)
        for (int i = 0; i < 2; i++) {
            fours[p + 2 * i] = _mm512_unpacklo_epi16(pairs[p + 2 + i], pairs[p + i]);
            fours[p + 2 * i + 1] = _mm512_unpackhi_epi16(pairs[p + 2 + i], pairs[p + i]);
        }
    MLF_UNROLL for (int i = 0; i < 4; i++)
        if (n_planes == 4) {
            words[i] = fours[i];
        } else {
            words[2 * i] = _mm512_unpacklo_epi32(fours[4 + i], fours[i]);
            words[2 * i + 1] = _mm512_unpackhi_epi32(fours[4 + i], fours[i]);
        }
}

/* What the codes of the categorical columns leave possible of line i. */
INLINE __m512i meet_tables(const mlf_masks *masks, const uint16_t *const *at, int32_t line,
                           __m512i word)
{
    const mlf_tables *tables = &masks->tables;
    int32_t n = tables->prepare->n_columns - tables->prepare->n_numeric;
    const char *rows = tables->rows + tables->starts[line];
    for (int32_t c = 0; c < n; c++)
        word = _mm512_and_si512(word, _mm512_load_si512(rows + (size_t)at[c][line]
                                                                   * MLF_PLACE_UNIT));
    return word;
}

INLINE void walk(const mlf_masks *masks, const mlf_bytes_row *row, const uint16_t *const *at,
                 double *raw, int n_planes)
{
    const mlf_tables *tables = &masks->tables;
    const mlf_sum *sum = &tables->sum;
    mlf_running running = mlf_sum_begin(sum, raw);
    int apart = !sum->vectors && !sum->float32 && sum->n_outputs == 1;
    _Alignas(64) int32_t leaf[MLF_LANES];
    adding a = { .values = sum->values, .leaf = leaf, .sum = running.d };
    for (int32_t g = 0; g < masks->n_groups; g++) {
        __m512i words[MLF_MASK_PLANES];
        int32_t from = g * MLF_LANES, n = tables->n_trees - from;
        n = n < MLF_LANES ? n : MLF_LANES;
        meet(masks, row, masks->slots + (size_t)g * masks->group_bytes, n_planes, words, &a);
        add(&a, a.left);
        if (tables->prepare->n_columns > tables->prepare->n_numeric)
            for (int i = 0; i < n_planes && g * n_planes + i < tables->n_lines; i++)
                words[i] = meet_tables(masks, at, g * n_planes + i, words[i]);
        MLF_UNROLL for (int i = 0; i < n_planes; i++)
            if (n_planes == 4)
                _mm512_store_si512(leaf + 16 * i, _mm512_lzcnt_epi32(words[i]));
            else
                _mm256_store_si256((__m256i *)(void *)(leaf + 8 * i),
                                   _mm512_cvtepi64_epi32(_mm512_lzcnt_epi64(words[i])));
        for (int32_t j = 0; j < n; j++)
            leaf[j] += tables->leaves[from + j];
        if (apart) {
            a.leaf = leaf;
            a.left = n;
        } else {
            mlf_sum_trees(sum, &running, leaf, from, from + n, raw);
        }
    }
    add(&a, a.left);
    if (apart)
        running.d = a.sum;
    mlf_sum_end(sum, &running, raw);
}

INLINE void walk_with(const mlf_masks *masks, const double *x, ptrdiff_t stride, double *raw,
                      void *scratch, int registers)
{
    const mlf_tables *tables = &masks->tables;
    const mlf_prepare *p = tables->prepare;
    const uint16_t **at = scratch;
    mlf_bytes_row row = { .registers = registers };
    __m512i left[2];
    mlf_bytes_load(&masks->bytes, x, stride, &row, left);
    for (int32_t c = p->n_numeric; c < p->n_columns; c++) {
        size_t code = (size_t)mlf_code_of(p, c, x[p->feature[c] * stride]);
        at[c - p->n_numeric] = tables->places + tables->first[c - p->n_numeric]
                             + code * (size_t)tables->n_lines;
    }
    if (tables->wide)
        walk(masks, &row, at, raw, 8);
    else
        walk(masks, &row, at, raw, 4);
}

static void walk_any(const mlf_masks *masks, const double *x, ptrdiff_t stride, double *raw,
                     void *scratch)
{
    switch (masks->bytes.n_registers) {
    case 1: walk_with(masks, x, stride, raw, scratch, 1); break;
    case 2: walk_with(masks, x, stride, raw, scratch, 2); break;
    default: walk_with(masks, x, stride, raw, scratch, 4);
    }
}

void mlf_masks_one_avx512(const void *data, const double *x, double *raw, void *scratch)
{
    walk_any(data, x, 1, raw, scratch);
}

void mlf_masks_block_avx512(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                            double *raw, void *scratch)
{
    const mlf_masks *masks = data;
    const mlf_prepare *p = masks->tables.prepare;
    double *sums = (double *)(void *)((char *)scratch
                 + mlf_aligned((size_t)(p->n_columns - p->n_numeric + 1) * sizeof(void *)));
    for (int32_t r = 0; r < n; r++) {
        walk_any(masks, x + r, stride, sums, scratch);
        for (int32_t k = 0; k < masks->tables.sum.n_outputs; k++)
            raw[k * stride + r] = sums[k];
    }
}

#endif
