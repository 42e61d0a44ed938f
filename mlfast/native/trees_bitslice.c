#include "trees_bitslice.h"

#include <stdlib.h>

#include "trees_columns.h"

/* The arrays of a segment while trees are added to it. */
typedef struct making {
    const mlf_forest *forest;
    mlf_memory *memory;
    int split;                 /* as in mlf_bitslice                                     */
    int32_t *numeric;          /* [n_numeric][2][256]: slot of a decision, 0: not used   */
    int32_t n_decisions;
    uint16_t *slots;           /* (n_nodes,) slot of each inner node's decision          */
    mlf_mux *ops;              /* of one tree                                            */
    int32_t leaves[1 << MLF_MOST_PLANES];
} making;

static int32_t *numeric_at(const making *m, int64_t node)
{
    int32_t column = m->forest->column[node];
    int32_t right = !m->forest->ensemble->default_left[node];
    return &m->numeric[(2 * column + right) * 256 + m->forest->rank[node]];
}

static void *copied(mlf_memory *memory, const void *from, size_t bytes)
{
    void *to = memory->alloc(memory, bytes + 1);
    if (to != NULL && bytes > 0)
        memcpy(to, from, bytes);
    return to;
}

/* Distinct numeric decisions and categorical ones that a tree would add to the segment. */
static int32_t mark_tree(making *m, int64_t root, int64_t n_nodes)
{
    int32_t added = 0;
    for (int64_t i = root; i < root + n_nodes; i++) {
        if (m->forest->column[i] < 0)
            continue;
        if (m->forest->column[i] >= m->forest->n_numeric) {
            added++;
        } else if (*numeric_at(m, i) == 0) {
            *numeric_at(m, i) = 1;
            added++;
        }
    }
    return added;
}

/* Numbers the marked numeric decisions and lists them as runs. */
static int make_runs(making *m, mlf_segment *segment)
{
    int32_t n_lists = 2 * m->forest->n_numeric;
    mlf_slice_run *runs = m->memory->alloc(m->memory, ((size_t)n_lists + 1) * sizeof *runs);
    if (runs == NULL)
        return -1;
    for (int32_t list = 0; list < n_lists; list++) {
        uint8_t ranks[256];
        int32_t count = 0;
        for (int32_t rank = 0; rank < 256; rank++)
            if (m->numeric[list * 256 + rank] != 0) {
                m->numeric[list * 256 + rank] = MLF_SLOT_DECISION + m->n_decisions++;
                ranks[count++] = (uint8_t)rank;
            }
        if (count == 0)
            continue;
        uint8_t *kept = copied(m->memory, ranks, (size_t)count);
        if (kept == NULL)
            return -1;
        runs[segment->n_runs++] = (mlf_slice_run){
            .column = list / 2, .right = list % 2, .count = count, .ranks = kept };
    }
    segment->runs = runs;
    return 0;
}

/* The codes of a set, or of its complement where that is shorter. */
static int make_set(making *m, int64_t node, mlf_slice_set *set)
{
    const mlf_forest *forest = m->forest;
    const uint32_t *bits = forest->sets + forest->key[node];
    int32_t n = forest->columns[forest->column[node]].n + 2, n_right = 0;
    for (int32_t c = 0; c < n; c++)
        n_right += bits[c / 32] >> c % 32 & 1;
    uint32_t wanted = n_right <= n - n_right;
    int32_t count = wanted ? n_right : n - n_right, at = 0;
    uint16_t *codes = m->memory->alloc(m->memory, ((size_t)count + 1) * sizeof *codes);
    if (codes == NULL)
        return -1;
    for (int32_t c = 0; c < n; c++)
        if ((bits[c / 32] >> c % 32 & 1) == wanted)
            codes[at++] = (uint16_t)c;
    *set = (mlf_slice_set){ .column = forest->column[node] - forest->n_numeric,
                            .inverted = !wanted, .count = count, .codes = codes };
    return 0;
}

/* Gives every inner node of trees `from` .. `to` - 1 its slot. */
static int make_decisions(making *m, mlf_segment *segment, int32_t from, int32_t to)
{
    const mlf_forest *forest = m->forest;
    const mlf_ensemble *e = forest->ensemble;
    m->n_decisions = 0;
    if (make_runs(m, segment))
        return -1;
    int32_t n_sets = 0;
    segment->first_set = MLF_SLOT_DECISION + m->n_decisions;
    for (int pass = 0; pass < 2; pass++) {
        mlf_slice_set *sets = (mlf_slice_set *)(uintptr_t)segment->sets;
        for (int32_t t = from; t < to; t++) {
            int64_t root = e->tree_offsets[forest->trees[t]];
            for (int64_t i = root; i < e->tree_offsets[forest->trees[t] + 1]; i++) {
                if (forest->column[i] < 0)
                    continue;
                if (forest->column[i] < forest->n_numeric) {
                    m->slots[i] = (uint16_t)*numeric_at(m, i);
                } else if (pass == 0) {
                    n_sets++;
                } else {
                    m->slots[i] = (uint16_t)(MLF_SLOT_DECISION + m->n_decisions++);
                    if (make_set(m, i, &sets[segment->n_sets++]))
                        return -1;
                }
            }
        }
        if (pass == 0) {
            segment->sets = m->memory->alloc(m->memory, ((size_t)n_sets + 1) * sizeof *sets);
            if (segment->sets == NULL)
                return -1;
        }
    }
    return 0;
}

/* The leaf values by label. */
static const void *make_table(const making *m, const mlf_program *program)
{
    const mlf_ensemble *e = m->forest->ensemble;
    size_t labels = (size_t)1 << program->n_planes, width = (size_t)e->width;
    size_t size = e->sum_float32 ? sizeof(float) : sizeof(double);
    size_t room = m->split && labels < 64 ? 64 : labels;
    uint8_t *table = m->memory->alloc(m->memory, room * width * size);
    if (table == NULL)
        return NULL;
    memset(table, 0, room * width * size);
    for (size_t k = 0; k < width; k++)
        for (size_t label = 0; label < labels; label++) {
            int32_t leaf = program->leaves[label];
            double value = leaf < 0 ? 0.0 : e->leaf_values[(size_t)leaf * width + k];
            float narrow = (float)value;
            const void *from = e->sum_float32 ? (const void *)&narrow : (const void *)&value;
            uint8_t bytes[sizeof value];
            memcpy(bytes, from, size);
            for (size_t b = 0; b < size; b++)
                table[m->split ? (k * size + b) * room + label : (k * room + label) * size + b] =
                    bytes[b];
        }
    return table;
}

/* As measured: a complete heap costs as much as so many multiplexers of a list. */
static const int32_t heap_costs[MLF_HEAP_LEVELS + 1] = { 0, 0, 1, 2, 4, 8, 16 };

static const char *make_tree(making *m, int64_t root, mlf_slice_tree *tree)
{
    mlf_program program = { .ops = m->ops, .leaves = m->leaves };
    uint16_t heap[1 << MLF_HEAP_LEVELS];
    if (mlf_program_make(&program, m->forest, root, m->slots + root))
        return "bitslice: a tree too big for masks";
    int32_t height = m->forest->height[root];
    int complete = height > 0 && height <= MLF_HEAP_LEVELS
                && program.n_ops > heap_costs[height];
    if (complete)
        mlf_program_heap(&program, m->forest, root, m->slots + root, heap);
    *tree = (mlf_slice_tree){
        .n_ops = program.n_ops, .n_planes = program.n_planes,
        .ops = copied(m->memory, program.ops, (size_t)program.n_ops * sizeof *program.ops),
        .table = make_table(m, &program) };
    if (complete)
        tree->heap = copied(m->memory, heap, ((size_t)1 << height) * sizeof *heap);
    memcpy(tree->planes, program.planes, sizeof program.planes);
    return !tree->ops || !tree->table || (complete && !tree->heap) ? MLF_NO_MEMORY : NULL;
}

/* Trees from `from` on, as many as the masks have room for; *to is the next. */
static const char *make_segment(making *m, mlf_segment *segment, int32_t from, int32_t *to)
{
    const mlf_forest *forest = m->forest;
    const mlf_ensemble *e = forest->ensemble;
    int32_t end = from, decisions = 0;
    memset(m->numeric, 0, (size_t)forest->n_numeric * 2 * 256 * sizeof(int32_t) + 1);
    for (; end < forest->n_trees; end++) {
        int64_t root = e->tree_offsets[forest->trees[end]];
        int64_t n = e->tree_offsets[forest->trees[end] + 1] - root;
        if (end > from && decisions + n / 2 > MLF_SEGMENT_MASKS)
            break;
        decisions += mark_tree(m, root, n);
    }
    *segment = (mlf_segment){ .n_trees = end - from };
    if (make_decisions(m, segment, from, end))
        return MLF_NO_MEMORY;
    mlf_slice_tree *trees = m->memory->alloc(m->memory,
                                             (size_t)(end - from + 1) * sizeof *trees);
    if (trees == NULL)
        return MLF_NO_MEMORY;
    for (int32_t t = from; t < end; t++) {
        const char *failed = make_tree(m, e->tree_offsets[forest->trees[t]], &trees[t - from]);
        if (failed != NULL)
            return failed;
    }
    segment->trees = trees;
    *to = end;
    return NULL;
}

static const char *make_segments(making *m, mlf_bitslice *slice)
{
    const mlf_forest *forest = m->forest;
    mlf_segment *segments = malloc(((size_t)forest->n_trees + 1) * sizeof *segments);
    if (segments == NULL)
        return MLF_NO_MEMORY;
    const char *failed = NULL;
    for (int32_t t = 0; failed == NULL && t < forest->n_trees;) {
        failed = make_segment(m, &segments[slice->n_segments++], t, &t);
        if (MLF_SLOT_DECISION + m->n_decisions > slice->n_masks)
            slice->n_masks = MLF_SLOT_DECISION + m->n_decisions;
    }
    if (failed == NULL) {
        slice->segments = copied(m->memory, segments,
                                 (size_t)slice->n_segments * sizeof *segments);
        failed = slice->segments == NULL ? MLF_NO_MEMORY : NULL;
    }
    free(segments);
    return failed;
}

static const char *check(const mlf_forest *forest)
{
    for (int32_t t = 0; t < forest->n_trees; t++)
        if (forest->weight[forest->ensemble->tree_offsets[t]] > 1 << MLF_MOST_PLANES)
            return "bitslice: trees of more than 256 leaves";
    int64_t codes = 0;
    for (int32_t c = forest->n_numeric; c < forest->n_columns; c++)
        codes += forest->columns[c].n + 2;
    if (codes > 8192)
        return "bitslice: more than 8,192 categories";
    return NULL;
}

const char *mlf_bitslice_lower(const mlf_lowering *in, mlf_head *head)
{
    const mlf_forest *forest = in->bytes;
    const mlf_ensemble *e = forest->ensemble;
    const char *failed = check(forest);
    if (failed != NULL)
        return failed;
    int32_t n_members = forest->n_columns - forest->n_numeric;
    mlf_bitslice *slice = in->memory->alloc(in->memory, sizeof *slice);
    int32_t *code_masks = in->memory->alloc(in->memory,
                                            ((size_t)n_members + 1) * sizeof *code_masks);
    if (slice == NULL || code_masks == NULL)
        return MLF_NO_MEMORY;
    *slice = (mlf_bitslice){ .code_masks = code_masks, .n_masks = MLF_SLOT_DECISION };
    code_masks[0] = 0;
    for (int32_t m = 0; m < n_members; m++)
        code_masks[m + 1] = code_masks[m] + forest->columns[forest->n_numeric + m].n + 2;
    slice->prepare = mlf_prepare_make(forest, 1, in->memory);
    if (slice->prepare == NULL || mlf_sum_make(&slice->sum, forest, code_masks, 0, in->memory))
        return MLF_NO_MEMORY;
    slice->split = in->isa == MLF_ISA_COUNT - 1 && MLF_X86;
    making m = { .forest = forest, .memory = in->memory, .split = slice->split };
    m.numeric = malloc((size_t)forest->n_numeric * 2 * 256 * sizeof *m.numeric + 1);
    m.slots = malloc((size_t)e->n_nodes * sizeof *m.slots + 1);
    m.ops = malloc(sizeof *m.ops * (MLF_MOST_PLANES << MLF_MOST_PLANES));
    failed = !m.numeric || !m.slots || !m.ops ? MLF_NO_MEMORY : make_segments(&m, slice);
    free(m.numeric);
    free(m.slots);
    free(m.ops);
    if (failed != NULL)
        return failed;
    size_t sums = (size_t)(e->width > 1 ? e->n_outputs : 1);
    head->data = slice;
    size_t masks = (size_t)(forest->n_numeric * MLF_RANK_PLANES + code_masks[n_members]
                            + slice->n_masks);
    head->scratch_block = masks * sizeof(mlf_mask) + sums * MLF_BLOCK * sizeof(double);
    head->scratch_one = head->scratch_block
                      + mlf_aligned(64 * sizeof(double) * (size_t)e->n_features)
                      + 64 * sizeof(double) * (size_t)e->n_outputs;
    MLF_SET_HEAD(head, mlf_bitslice, in->isa);
    static mlf_from_array *const from_array[] = MLF_ISA_TABLE(mlf_bitslice_array);
    head->array = n_members == 0 ? from_array[in->isa] : NULL;
    return NULL;
}
