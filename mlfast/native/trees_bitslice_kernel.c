/* Bit slicing of blocks of rows (trees_bitslice.h). A mask is one 512-bit word to the compiler,
 * which makes one, two or four registers of it.
 *
 *   decision:     mask[r] = rank[column][r] >= rank of the decision
 *   multiplexer:  mask[r] = select[r] ? right[r] : left[r]
 *   label:        byte[r] = sum of plane_k[r] << k;   sum[r] += table[byte[r]]
 */
#include "trees_bitslice.h"

#include "trees_ranks.h"

typedef uint64_t word __attribute__((vector_size(MLF_MASK_BYTES), may_alias));

typedef struct work {
    uint8_t *ranks;            /* [n_numeric][left, right][MLF_BLOCK] */
    word *codes;               /* rows that have the code, by mlf_bitslice.code_masks */
    word *masks;               /* by slot */
    uint8_t *labels;           /* [MLF_BLOCK] */
    void *sums;                /* float or double [outputs at once][MLF_BLOCK] */
    int32_t words;             /* of 64 rows, of the 8 that a mask has: the others are not looked at */
} work;

/* One mask a code: the rows that have it. */
static void mask_codes(const mlf_bitslice *slice, int32_t member, const double *x, int32_t n,
                       word *masks)
{
    int32_t column = slice->prepare->n_numeric + member;
    int32_t first = slice->code_masks[member], count = slice->code_masks[member + 1] - first;
    memset(masks + first, 0, (size_t)count * sizeof(word));
    uint64_t *bits = (uint64_t *)(void *)(masks + first);
    for (int32_t r = 0; r < n; r++)
        bits[8 * mlf_code_of(slice->prepare, column, x[r]) + r / 64] |= UINT64_C(1) << r % 64;
}

static inline __attribute__((always_inline)) void
at_least(const uint8_t *ranks, uint8_t rank, word *mask, int32_t words)
{
#if defined(__AVX512BW__)
    uint64_t *out = (uint64_t *)(void *)mask;
    for (int i = 0; i < words; i++)
        out[i] = _mm512_cmpge_epu8_mask(_mm512_load_si512(ranks + 64 * i),
                                        _mm512_set1_epi8((char)rank));
#elif defined(__AVX2__)
    uint32_t *out = (uint32_t *)(void *)mask;
    __m256i least = _mm256_set1_epi8((char)rank);
    for (int i = 0; i < 2 * words; i++) {
        __m256i v = _mm256_load_si256((const __m256i *)ranks + i);
        out[i] = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(v, least), v));
    }
#elif defined(__SSE2__)
    uint16_t *out = (uint16_t *)(void *)mask;
    __m128i least = _mm_set1_epi8((char)rank);
    for (int i = 0; i < 4 * words; i++) {
        __m128i v = _mm_load_si128((const __m128i *)ranks + i);
        out[i] = (uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(v, least), v));
    }
#else
    uint64_t *out = (uint64_t *)(void *)mask;
    for (int i = 0; i < words; i++) {
        uint64_t bits = 0;
        for (int j = 0; j < 64; j++)
            bits |= (uint64_t)(ranks[64 * i + j] >= rank) << j;
        out[i] = bits;
    }
#endif
}

static void decide(const mlf_segment *segment, const mlf_bitslice *slice, const work *w)
{
    word *out = w->masks + MLF_SLOT_DECISION;
    for (int32_t i = 0; i < segment->n_runs; i++) {
        const mlf_slice_run *run = &segment->runs[i];
        const uint8_t *ranks = w->ranks + (size_t)(2 * run->column + run->right) * MLF_BLOCK;
        if (w->words == MLF_BLOCK / 64)        /* the usual case, with constant bounds */
            for (int32_t j = 0; j < run->count; j++)
                at_least(ranks, run->ranks[j], out++, MLF_BLOCK / 64);
        else
            for (int32_t j = 0; j < run->count; j++)
                at_least(ranks, run->ranks[j], out++, w->words);
    }
    for (int32_t i = 0; i < segment->n_sets; i++) {
        const mlf_slice_set *set = &segment->sets[i];
        const word *codes = w->codes + slice->code_masks[set->column];
        word any = { 0 };
        for (int32_t j = 0; j < set->count; j++)
            any |= codes[set->codes[j]];
        *out++ = set->inverted ? ~any : any;
    }
}

static void run_program(const mlf_slice_tree *tree, word *masks)
{
    for (int32_t i = 0; i < tree->n_ops; i++) {
        mlf_mux op = tree->ops[i];
#if defined(__AVX512F__)
        __m512i *m = (__m512i *)(void *)masks;
        m[op.out] = _mm512_ternarylogic_epi64(m[op.select], m[op.right], m[op.left], 0xca);
#else
        word left = masks[op.left];
        masks[op.out] = left ^ (masks[op.select] & (left ^ masks[op.right]));
#endif
    }
}

/* Eight planes of 64 rows to 64 bytes. */
static inline void labels_of(const uint64_t *planes, int32_t n_planes, uint8_t *labels)
{
#if defined(__AVX512BW__)
    __m512i bytes = _mm512_setzero_si512();
    for (int32_t k = 0; k < n_planes; k++)
        bytes = _mm512_mask_add_epi8(bytes, planes[k], bytes, _mm512_set1_epi8((char)(1 << k)));
    _mm512_store_si512(labels, bytes);
#elif defined(__AVX2__)
    __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202,
                                        0x0303030303030303);
    __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    for (int half = 0; half < 2; half++) {
        __m256i bytes = _mm256_setzero_si256();
        for (int32_t k = 0; k < n_planes; k++) {
            __m256i v = _mm256_set1_epi32((int32_t)(planes[k] >> 32 * half));
            v = _mm256_and_si256(_mm256_shuffle_epi8(v, spread), bit);
            v = _mm256_and_si256(_mm256_cmpeq_epi8(v, bit), _mm256_set1_epi8((char)(1 << k)));
            bytes = _mm256_or_si256(bytes, v);
        }
        _mm256_store_si256((__m256i *)labels + half, bytes);
    }
#elif defined(__SSE2__)
    __m128i bit = _mm_set1_epi64x((int64_t)0x8040201008040201);
    for (int quarter = 0; quarter < 4; quarter++) {
        __m128i bytes = _mm_setzero_si128();
        for (int32_t k = 0; k < n_planes; k++) {
            __m128i v = _mm_cvtsi32_si128((int32_t)(planes[k] >> 16 * quarter));
            v = _mm_unpacklo_epi8(v, v);           /* each byte eight times */
            v = _mm_unpacklo_epi16(v, v);
            v = _mm_and_si128(_mm_unpacklo_epi32(v, v), bit);
            v = _mm_and_si128(_mm_cmpeq_epi8(v, bit), _mm_set1_epi8((char)(1 << k)));
            bytes = _mm_or_si128(bytes, v);
        }
        _mm_store_si128((__m128i *)labels + quarter, bytes);
    }
#else
    for (int i = 0; i < 8; i++) {          /* an 8 x 8 transposition of bits */
        uint64_t x = 0;
        for (int32_t k = 0; k < n_planes; k++)
            x |= (planes[k] >> 8 * i & 255) << 8 * k;
        uint64_t t = (x ^ x >> 7) & UINT64_C(0x00aa00aa00aa00aa);
        x ^= t ^ t << 7;
        t = (x ^ x >> 14) & UINT64_C(0x0000cccc0000cccc);
        x ^= t ^ t << 14;
        t = (x ^ x >> 28) & UINT64_C(0x00000000f0f0f0f0);
        x ^= t ^ t << 28;
        for (int j = 0; j < 8; j++)
            labels[8 * i + j] = (uint8_t)(x >> 8 * j);
    }
#endif
}

static inline void add_floats(const float *table, int32_t n_planes, const uint8_t *labels,
                              float *sums, int32_t n)
{
#if defined(__AVX512F__)
    if (n_planes <= 6) {                   /* the table fits four registers */
        __mmask16 low = n_planes >= 4 ? 0xffff : (__mmask16)((1 << (1 << n_planes)) - 1);
        __m512 t[4] = { _mm512_maskz_loadu_ps(low, table) };
        t[1] = n_planes > 4 ? _mm512_loadu_ps(table + 16) : t[0];
        t[2] = n_planes > 5 ? _mm512_loadu_ps(table + 32) : t[0];
        t[3] = n_planes > 5 ? _mm512_loadu_ps(table + 48) : t[1];
        for (int32_t r = 0; r < n; r += 16) {
            __m512i at = _mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)(labels + r)));
            __m512 a = _mm512_permutex2var_ps(t[0], at, t[1]);
            __m512 b = _mm512_permutex2var_ps(t[2], at, t[3]);
            __mmask16 high = _mm512_test_epi32_mask(at, _mm512_set1_epi32(32));
            __m512 value = _mm512_mask_mov_ps(a, high, b);
            _mm512_store_ps(sums + r, _mm512_add_ps(_mm512_load_ps(sums + r), value));
        }
        return;
    }
    for (int32_t r = 0; r < n; r += 16) {
        __m512i at = _mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)(labels + r)));
        __m512 value = _mm512_i32gather_ps(at, table, 4);
        _mm512_store_ps(sums + r, _mm512_add_ps(_mm512_load_ps(sums + r), value));
    }
#elif defined(__AVX2__)
    (void)n_planes;
    for (int32_t r = 0; r < n; r += 8) {
        __m256i at = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(labels + r)));
        __m256 value = _mm256_i32gather_ps(table, at, 4);
        _mm256_store_ps(sums + r, _mm256_add_ps(_mm256_load_ps(sums + r), value));
    }
#else
    (void)n_planes;
    for (int32_t r = 0; r < n; r++)
        sums[r] += table[labels[r]];
#endif
}

static inline void add_doubles(const double *table, const uint8_t *labels, double *sums, int32_t n)
{
#if defined(__AVX512F__)
    for (int32_t r = 0; r < n; r += 8) {
        __m256i at = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(labels + r)));
        __m512d value = _mm512_i32gather_pd(at, table, 8);
        _mm512_store_pd(sums + r, _mm512_add_pd(_mm512_load_pd(sums + r), value));
    }
#else
    for (int32_t r = 0; r < n; r++)
        sums[r] += table[labels[r]];
#endif
}

static void add_tree(const mlf_bitslice *slice, const mlf_slice_tree *tree, const work *w)
{
    for (int i = 0; i < w->words; i++) {
        uint64_t planes[MLF_MOST_PLANES];
        for (int32_t k = 0; k < tree->n_planes; k++)
            planes[k] = w->masks[tree->planes[k]][i];
        labels_of(planes, tree->n_planes, w->labels + 64 * i);
    }
    size_t labels = (size_t)1 << tree->n_planes;
    int32_t width = slice->sum.vectors ? slice->sum.n_outputs : 1;
    for (int32_t k = 0; k < width; k++) {
        size_t at = (size_t)k * labels, row = (size_t)k * MLF_BLOCK;
        if (slice->sum.float32)
            add_floats((const float *)tree->table + at, tree->n_planes, w->labels,
                       (float *)w->sums + row, 64 * w->words);
        else
            add_doubles((const double *)tree->table + at, w->labels, (double *)w->sums + row,
                        64 * w->words);
    }
}

/* Sums of output k, held in place `at`: begin, and end. */
static void begin(const mlf_bitslice *slice, const work *w, int32_t k, int32_t at)
{
    double start = mlf_sum_start(&slice->sum, k);
    for (int32_t r = at * MLF_BLOCK; r < (at + 1) * MLF_BLOCK; r++)
        if (slice->sum.float32)
            ((float *)w->sums)[r] = (float)start;
        else
            ((double *)w->sums)[r] = start;
}

static void end(const mlf_bitslice *slice, const work *w, int32_t k, int32_t at, double *raw,
                int32_t n)
{
    for (int32_t r = 0; r < n; r++) {
        double sum = slice->sum.float32 ? (double)((float *)w->sums)[at * MLF_BLOCK + r]
                                        : ((double *)w->sums)[at * MLF_BLOCK + r];
        raw[r] = mlf_sum_finish(&slice->sum, k, sum);
    }
}

static work layout_of(const mlf_bitslice *slice, void *scratch)
{
    int32_t n_members = slice->prepare->n_columns - slice->prepare->n_numeric;
    uint8_t *at = scratch;
    work w = { .ranks = at };
    at += (size_t)slice->prepare->n_numeric * 2 * MLF_BLOCK;
    w.codes = (word *)(void *)at;
    at += (size_t)slice->code_masks[n_members] * sizeof(word);
    w.masks = (word *)(void *)at;
    at += (size_t)slice->n_masks * sizeof(word);
    w.labels = at;
    w.sums = at + MLF_BLOCK;
    return w;
}

void MLF_FN(mlf_bitslice_block)(const void *data, const double *x, ptrdiff_t stride, int32_t n,
                                double *raw, void *scratch)
{
    const mlf_bitslice *slice = data;
    const mlf_prepare *p = slice->prepare;
    const mlf_sum *sum = &slice->sum;
    work w = layout_of(slice, scratch);
    w.words = (n + 63) / 64;
    memset(w.masks + MLF_SLOT_ZEROS, 0, sizeof(word));
    memset(w.masks + MLF_SLOT_ONES, 0xff, sizeof(word));
    for (int32_t c = 0; c < p->n_numeric; c++)
        MLF_FN(mlf_rank_column)(p, c, x + p->feature[c] * stride, n,
                                w.ranks + (size_t)c * 2 * MLF_BLOCK);
    for (int32_t c = p->n_numeric; c < p->n_columns; c++)
        mask_codes(slice, c - p->n_numeric, x + p->feature[c] * stride, n, w.codes);

    int32_t width = sum->vectors ? sum->n_outputs : 1, tree = 0, k = 0;
    for (int32_t at = 0; at < width; at++)
        begin(slice, &w, at, at);
    for (int32_t s = 0; s < slice->n_segments; s++) {
        const mlf_segment *segment = &slice->segments[s];
        decide(segment, slice, &w);
        for (int32_t t = 0; t < segment->n_trees; t++, tree++) {
            for (; !sum->vectors && tree == sum->first[k + 1]; k++) {
                end(slice, &w, k, 0, raw + k * stride, n);
                begin(slice, &w, k + 1, 0);
            }
            run_program(&segment->trees[t], w.masks);
            add_tree(slice, &segment->trees[t], &w);
        }
    }
    if (sum->vectors)
        for (; k < sum->n_outputs; k++)
            end(slice, &w, k, k, raw + k * stride, n);
    else
        for (; k < sum->n_outputs; k++) {
            end(slice, &w, k, 0, raw + k * stride, n);
            if (k + 1 < sum->n_outputs)
                begin(slice, &w, k + 1, 0);
        }
}

/* A block of one row. */
void MLF_FN(mlf_bitslice_one)(const void *data, const double *x, double *raw, void *scratch)
{
    const mlf_bitslice *slice = data;
    size_t n_features = (size_t)slice->prepare->n_features;
    size_t n_outputs = (size_t)slice->sum.n_outputs;
    double *rows = scratch, *out = rows + 64 * n_features;
    for (size_t f = 0; f < n_features; f++)
        rows[64 * f] = x[f];
    MLF_FN(mlf_bitslice_block)(data, rows, 64, 1, out, out + 64 * n_outputs);
    for (size_t k = 0; k < n_outputs; k++)
        raw[k] = out[64 * k];
}
