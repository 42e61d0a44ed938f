/* ---------------------------------------------------------------- blocks of rows, sliced
 *
 * A byte a row: every split of a tree is worked out for 64 rows at once, children first, and
 * chooses between the leaf numbers that its children chose. More comparisons than a walk makes,
 * but compilers turn each loop over the rows into a few vector instructions.
 */
static void trees_choose(const unsigned char *ranks, unsigned char key, const unsigned char *left,
                         const unsigned char *right, unsigned char *restrict chosen)
{
    for (int r = 0; r < TREES_ROWS; r++) {
        const unsigned char a = left[r], b = right[r];    /* both are read: no branch */
        chosen[r] = ranks[r] >= key ? b : a;
    }
}

#if TREES_MEMBERS
/* Rows by category: bit r of rows_of[trees_first_mask[c] + code] is row r. */
static void trees_sort_rows(const int32_t *v, int32_t n, uint64_t *rows_of)
{
    memset(rows_of, 0, TREES_MASKS * sizeof *rows_of);
    for (int32_t r = 0; r < n; r++)
        for (int c = 0; c < TREES_MEMBERS; c++)
            rows_of[trees_first_mask[c] + v[r * TREES_ENTRIES + TREES_LEAF + 1 + c]] |=
                (uint64_t)1 << r;
}

/* Rows that are in one of n categories go right, or where key is 1 left. */
static void trees_choose_members(const uint64_t *rows_of, const uint16_t *codes, int n, int key,
                                 const unsigned char *left, const unsigned char *right,
                                 unsigned char *restrict chosen)
{
    uint64_t rows = 0;
    for (int i = 0; i < n; i++)
        rows |= rows_of[codes[i]];
    if (key)
        rows = ~rows;
    for (int r = 0; r < TREES_ROWS; r += 8, rows >>= 8) {
        uint64_t a, b, mask;    /* of eight rows: eight bits become eight bytes of ones or zeros */
        mask = (rows & 255) * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
        mask = ((mask + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101)) * 255;
        memcpy(&a, left + r, sizeof a);
        memcpy(&b, right + r, sizeof b);
        a = (b & mask) | (a & ~mask);
        memcpy(chosen + r, &a, sizeof a);
    }
}
#endif

/* n <= TREES_ROWS; v: int32_t[n][TREES_ENTRIES], raw: double[n][TREES_OUTPUTS] */
static void trees_rows(const int32_t *v, int32_t n, double *raw)
{
    unsigned char ranks[TREES_ENTRIES * TREES_ROWS];
    unsigned char chosen[(TREES_MOST_LEAVES + TREES_MOST_SPLITS) * TREES_ROWS];
    trees_sum sums[TREES_ROWS * TREES_OUTPUTS];
    if (n < TREES_FEW) {
        for (int32_t r = 0; r < n; r++)
            trees_row(v + r * TREES_ENTRIES, raw + r * TREES_OUTPUTS);
        return;
    }
#if TREES_MEMBERS
    const uint16_t *codes = trees_codes;
    uint64_t rows_of[TREES_MASKS];
    trees_sort_rows(v, n, rows_of);
#endif
    memset(ranks, 0, sizeof ranks);
    for (int32_t r = 0; r < n; r++) {
        trees_begin(sums + r * TREES_OUTPUTS);
        for (int e = 0; e < TREES_ENTRIES; e++) {
            const int32_t rank = v[r * TREES_ENTRIES + e];    /* missing: one of the extremes */
            ranks[e * TREES_ROWS + r] = (unsigned char)(rank < 0 ? 0 : rank > 255 ? 255 : rank);
        }
    }
    for (int leaf = 0; leaf < TREES_MOST_LEAVES; leaf++)
        memset(chosen + leaf * TREES_ROWS, leaf, TREES_ROWS);
    for (int32_t t = 0; t < TREES_COUNT; t++) {
        const trees_slice *s = trees_slices + trees_first_slice[t];
        const int32_t n_splits = trees_first_slice[t + 1] - trees_first_slice[t];
        const unsigned char *leaf = chosen;
        for (int32_t k = 0; k < n_splits; k++, s++) {
            const unsigned char *left = chosen + s->left * TREES_ROWS;
            const unsigned char *right = chosen + s->right * TREES_ROWS;
            unsigned char *out = chosen + (TREES_MOST_LEAVES + k) * TREES_ROWS;
#if TREES_MEMBERS
            if (s->entry > TREES_LEAF) {
                trees_choose_members(rows_of, codes, s->count, s->key, left, right, out);
                codes += s->count;
                continue;
            }
#endif
            trees_choose(ranks + s->entry * TREES_ROWS, s->key, left, right, out);
        }
        if (n_splits)
            leaf = chosen + (TREES_MOST_LEAVES + n_splits - 1) * TREES_ROWS;
        for (int32_t r = 0; r < n; r++)
            trees_add(sums + r * TREES_OUTPUTS, t, trees_first_leaf[t] + leaf[r]);
    }
    for (int32_t r = 0; r < n; r++)
        trees_end(sums + r * TREES_OUTPUTS, raw + r * TREES_OUTPUTS);
}
