#include "trees_order.h"

/* `open` are inner nodes whose children have no place yet, the next line's node last. A line is
 * filled greedily with the heaviest node's children; what it opened and could not hold waits. */
int64_t mlf_order_nodes(const mlf_forest *forest, int64_t root, int32_t top, int64_t at,
                        int32_t pairs_per_line, int32_t *place, int32_t *work)
{
    const mlf_ensemble *e = forest->ensemble;
    int32_t *open = work;
    int64_t n_open = 0, next = at + 2;
    place[top] = (int32_t)at;
    if (e->feature[root + top] >= 0)
        open[n_open++] = top;
    while (n_open > 0) {
        int64_t base = n_open - 1;         /* the candidates for this line: open[base ..] */
        do {
            int64_t best = base;
            for (int64_t i = base + 1; i < n_open; i++)
                if (forest->weight[root + open[i]] > forest->weight[root + open[best]])
                    best = i;
            int32_t node = open[best];
            open[best] = open[--n_open];
            int32_t children[2] = { e->left[root + node], e->right[root + node] };
            for (int j = 0; j < 2; j++) {
                place[children[j]] = (int32_t)(next + j);
                if (e->feature[root + children[j]] >= 0)
                    open[n_open++] = children[j];
            }
            next += 2;
        } while (n_open > base && next / 2 % pairs_per_line != 0);
    }
    return next;
}
