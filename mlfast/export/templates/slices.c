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
        for (int32_t k = 0; k < n_splits; k++, s++)
            trees_choose(ranks + s->entry * TREES_ROWS, s->key, chosen + s->left * TREES_ROWS,
                         chosen + s->right * TREES_ROWS,
                         chosen + (TREES_MOST_LEAVES + k) * TREES_ROWS);
        if (n_splits)
            leaf = chosen + (TREES_MOST_LEAVES + n_splits - 1) * TREES_ROWS;
        for (int32_t r = 0; r < n; r++)
            trees_add(sums + r * TREES_OUTPUTS, t, trees_first_leaf[t] + leaf[r]);
    }
    for (int32_t r = 0; r < n; r++)
        trees_end(sums + r * TREES_OUTPUTS, raw + r * TREES_OUTPUTS);
}
