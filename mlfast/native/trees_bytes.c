#include "trees_bytes.h"

const char *mlf_bytes_make(mlf_bytes *bytes, const mlf_forest *forest, int members,
                           const mlf_prepare *prepare)
{
    int32_t n = members ? forest->n_columns : forest->n_numeric, directions = 0;
    for (int32_t c = 0; c < n; c++) {
        if (forest->columns[c].member && forest->columns[c].n > 253)
            return "masks and lanes: a categorical feature with more than 253 categories";
        if (!forest->columns[c].member)
            directions |= forest->columns[c].directions;
    }
    if (n > MLF_BYTES_COLUMNS)
        return "masks and lanes: more than 128 columns (features, by 255 thresholds)";
    int32_t half = n <= 32 ? 32 : n <= 64 ? 64 : 128;
    bytes->prepare = *prepare;
    bytes->prepare.n_columns = n;
    bytes->copy = directions == 3 ? half : directions == 1 ? -1 : 0;
    bytes->n_registers = directions == 3 ? half / 32 : n <= 64 ? 1 : 2;
    return NULL;
}
