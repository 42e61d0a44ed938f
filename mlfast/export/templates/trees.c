/* ---------------------------------------------------------------- the trees
 *
 * A row becomes integers once (trees_prepare); then every split is `integer >= node.key`: right.
 * Siblings stand beside each other, a node says how far away its left child is, and a leaf is 0
 * away from itself and never goes right, so walking on from it does nothing. Eight walks are
 * made at a time, which hides the time that loads take.
 *
 * v[c]                          column c, missing values below every key (missing goes left)
 * v[TREES_NUMERIC + c]          column c, missing values above every key (missing goes right)
 * v[TREES_LEAF]                 INT32_MIN, below every key: leaves read it
 * v[TREES_LEAF + 1 + c]         code of categorical column c
 */
enum {
    TREES_LEAF = 2 * TREES_NUMERIC, TREES_ENTRIES = TREES_LEAF + 1 + TREES_MEMBERS,
    TREES_CHAINS = 8
};

static int trees_missing(int32_t feature, double x)
{
    /* LightGBM's zero_as_missing: |x| <= 1e-35f */
    return x != x
        || (TREES_ANY_ZERO_MISSING && trees_zero_missing[feature] && fabs(x) <= (double)1e-35f);
}

static double trees_input(double x)
{
    return TREES_INPUT_FLOAT32 ? (double)(float)x : x;
}

#if TREES_INPUT_FLOAT32
/* The order-preserving integer of a float; -0.0 is 0.0. */
static int32_t trees_number(int32_t column, double x)
{
    float single = (float)x;
    int32_t bits;
    (void)column;
    memcpy(&bits, &single, sizeof bits);
    bits ^= (bits >> 31) & INT32_MAX;
    return bits + (bits == -1);
}
#else
/* How many of the column's cuts are <= x. */
static int32_t trees_number(int32_t column, double x)
{
    const double *cuts = trees_cuts + trees_first_cut[column], *base = cuts;
    int32_t n = trees_first_cut[column + 1] - trees_first_cut[column];
    while (n > 1) {
        int32_t half = n / 2;
        base += half & -(int32_t)(base[half - 1] <= x);    /* no branch to mispredict */
        n -= half;
    }
    return (int32_t)(base - cuts) + (n == 1 && base[0] <= x);
}
#endif

#if TREES_MEMBERS
/* The category of a value: -1 none, -2 missing. */
static int64_t trees_category(double x)
{
#if TREES_CATEGORY_RULE == 0      /* LightGBM */
    return x > -1.0 && x < 2147483648.0 ? (int64_t)x : -2;
#elif TREES_CATEGORY_RULE == 1    /* XGBoost */
    return x >= 0.0 && x < 16777216.0 ? (int64_t)x : -1;
#else                             /* treelite */
    const double limit = TREES_INPUT_FLOAT32 ? 16777216.0 : 9007199254740992.0;
    return x >= 0.0 && x <= limit ? (int64_t)x : -1;
#endif
}

static int32_t trees_code(int32_t column, double x)
{
    const int32_t *categories = trees_categories + trees_first_category[column];
    const int32_t n = trees_first_category[column + 1] - trees_first_category[column];
    const int missing = trees_missing(trees_member_feature[column], x);
    const int64_t category = missing ? -2 : trees_category(x);
    int32_t low = 0, high = n;
    if (category < 0)
        return category == -2 ? n + 1 : n;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (categories[middle] < category)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && categories[low] == category ? low : n;
}
#endif

static void trees_prepare(const double *x, int32_t *v)
{
    for (int32_t c = 0; c < TREES_NUMERIC; c++) {
        const int32_t feature = trees_numeric_feature[c];
        const double value = trees_input(x[feature]);
        const int missing = trees_missing(feature, value);
        const int32_t integer = trees_number(c, value);
        v[c] = missing ? INT32_MIN : integer;
        v[TREES_NUMERIC + c] = missing ? INT32_MAX : integer;
    }
    v[TREES_LEAF] = INT32_MIN;
#if TREES_MEMBERS
    for (int32_t c = 0; c < TREES_MEMBERS; c++)
        v[TREES_LEAF + 1 + c] = trees_code(c, trees_input(x[trees_member_feature[c]]));
#endif
}

static uint32_t trees_step(const int32_t *v, uint32_t i)
{
    const trees_node node = trees_nodes[i];
    const uint32_t entry = (uint32_t)(node.link >> TREES_SHIFT);
    const uint32_t distance = (uint32_t)node.link & (((uint32_t)1 << TREES_SHIFT) - 1);
    uint32_t right = v[entry] >= node.key;
#if TREES_MEMBERS
    const int member = entry > TREES_LEAF;    /* both ways are worked out: no branch */
    const uint32_t word = member ? (uint32_t)node.key + (uint32_t)v[entry] / 32 : 0;
    const uint32_t bit = trees_sets[word] >> ((uint32_t)v[entry] & 31) & 1;
    right = member ? bit : right;
#endif
    return i + distance + right;
}

/* Rounds for certain: GCC 12 forgets the cast alone when it works on two outputs at once. */
static double trees_rounded(double x)
{
    volatile trees_sum rounded = (trees_sum)x;
    return (double)rounded;
}

static void trees_begin(trees_sum *sum)
{
    for (int32_t k = 0; k < TREES_OUTPUTS; k++)
        sum[k] = TREES_BASE_FIRST ? (trees_sum)trees_base[k] : 0;
}

static void trees_add(trees_sum *sum, int32_t tree, uint32_t leaf)
{
    const trees_sum *values = trees_values + (size_t)leaf * TREES_WIDTH;
    if (TREES_WIDTH == 1)
        sum[trees_output[tree]] += values[0];
    else
        for (int32_t k = 0; k < TREES_WIDTH; k++)
            sum[k] += values[k];
}

static void trees_end(trees_sum *sum, double *raw)
{
    for (int32_t k = 0; k < TREES_OUTPUTS; k++) {
        if (TREES_DIVISOR != 1.0)
            sum[k] /= (trees_sum)TREES_DIVISOR;
        raw[k] = TREES_BASE_FIRST ? (double)sum[k] : trees_rounded((double)sum[k] + trees_base[k]);
    }
}

/* One row, eight trees at a time. v: int32_t[TREES_ENTRIES], raw: double[TREES_OUTPUTS] */
static void trees_row(const int32_t *v, double *raw)
{
    trees_sum sum[TREES_OUTPUTS];
    trees_begin(sum);
    for (int32_t t = 0; t < TREES_COUNT; t += TREES_CHAINS) {
        uint32_t i[TREES_CHAINS], moved = 1;
        int32_t height = 0;
        for (int j = 0; j < TREES_CHAINS; j++) {
            i[j] = trees_roots[t + j];
            height = trees_heights[t + j] > height ? trees_heights[t + j] : height;
        }
        for (int32_t level = 0; level < height && moved; level += 2) {
            moved = 0;
            for (int j = 0; j < TREES_CHAINS; j++)
                i[j] = trees_step(v, i[j]);
            for (int j = 0; j < TREES_CHAINS; j++) {
                const uint32_t next = trees_step(v, i[j]);
                moved |= next ^ i[j];
                i[j] = next;
            }
        }
        for (int j = 0; j < TREES_CHAINS && t + j < TREES_COUNT; j++)
            trees_add(sum, t + j, (uint32_t)trees_nodes[i[j]].key);
    }
    trees_end(sum, raw);
}

/* x: double[features], raw: double[TREES_OUTPUTS] */
static void trees_one(const double *x, double *raw)
{
    int32_t v[TREES_ENTRIES];
    trees_prepare(x, v);
    trees_row(v, raw);
}

#if TREES_ROWS && !TREES_SLICED
/* A block of rows, tree after tree, eight rows at a time: a tree stays in the nearest cache while
 * all rows go through it. n <= TREES_ROWS; v: int32_t[n][TREES_ENTRIES],
 * raw: double[n][TREES_OUTPUTS] */
static void trees_rows(const int32_t *v, int32_t n, double *raw)
{
    trees_sum sums[TREES_ROWS * TREES_OUTPUTS];
    const int32_t whole = n - n % TREES_CHAINS;
    for (int32_t r = 0; r < whole; r++)
        trees_begin(sums + r * TREES_OUTPUTS);
    for (int32_t t = 0; t < TREES_COUNT; t++)
        for (int32_t r = 0; r < whole; r += TREES_CHAINS) {
            const int32_t *row = v + r * TREES_ENTRIES;
            uint32_t i[TREES_CHAINS], moved = 1;
            for (int j = 0; j < TREES_CHAINS; j++)
                i[j] = trees_roots[t];
            for (int32_t level = 0; level < trees_heights[t] && moved; level += 2) {
                moved = 0;
                for (int j = 0; j < TREES_CHAINS; j++)
                    i[j] = trees_step(row + j * TREES_ENTRIES, i[j]);
                for (int j = 0; j < TREES_CHAINS; j++) {
                    const uint32_t next = trees_step(row + j * TREES_ENTRIES, i[j]);
                    moved |= next ^ i[j];
                    i[j] = next;
                }
            }
            for (int j = 0; j < TREES_CHAINS; j++)
                trees_add(sums + (r + j) * TREES_OUTPUTS, t, (uint32_t)trees_nodes[i[j]].key);
        }
    for (int32_t r = 0; r < whole; r++)
        trees_end(sums + r * TREES_OUTPUTS, raw + r * TREES_OUTPUTS);
    for (int32_t r = whole; r < n; r++)
        trees_row(v + r * TREES_ENTRIES, raw + r * TREES_OUTPUTS);
}
#endif
