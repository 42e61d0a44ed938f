/* ---------------------------------------------------------------- what the header declares */

static int answer(double *slots, double *out)
{
#ifdef MODEL_HEAD
    double decisions[MODEL_DECISIONS];
    int refused = model_decide(slots, decisions);
    if (!refused)
        mlf_link(&output, decisions, out);
#else
    int refused = model_encode(slots);
    if (!refused)
        memcpy(out, slots, MLFAST_N_OUTPUTS * sizeof *out);
#endif
    return refused;
}

int mlfast_predict_one(const double *features, double *out)
{
    double slots[MODEL_SLOTS];
    read_features(features, slots);
    return answer(slots, out);
}

int mlfast_predict_record(const mlfast_record *record, double *out)
{
    double slots[MODEL_SLOTS];
    read_record(record, slots);
    return answer(slots, out);
}

#if TREES_ROWS
enum { BATCH_ROWS = TREES_ROWS };

/* At most BATCH_ROWS rows; when one is refused, *n becomes the number of those before it. */
static int predict_block(const double *features, size_t *n, double *out)
{
    int32_t v[TREES_ROWS * TREES_ENTRIES];
    double raw[TREES_ROWS * MODEL_RAW];
    int refused = 0;
    for (size_t row = 0; row < *n; row++) {
        double slots[MODEL_SLOTS];
        read_features(features + row * MLFAST_N_FEATURES, slots);
        refused = model_encode(slots);
        if (refused)
            *n = row;
        else
            trees_prepare(slots, v + row * TREES_ENTRIES);
    }
    trees_rows(v, (int32_t)*n, raw);
    for (size_t row = 0; row < *n; row++) {
        double decisions[MODEL_DECISIONS];
        mlf_decide(&output, raw + row * MODEL_RAW, MODEL_RAW, decisions);
        mlf_link(&output, decisions, out + row * MLFAST_N_OUTPUTS);
    }
    return refused;
}
#else
enum { BATCH_ROWS = 1 };

static int predict_block(const double *features, size_t *n, double *out)
{
    int refused = mlfast_predict_one(features, out);
    *n = refused ? 0 : 1;
    return refused;
}
#endif

int mlfast_predict(const double *features, size_t n_rows, double *out, size_t *refused_row)
{
    for (size_t row = 0; row < n_rows; row += BATCH_ROWS) {
        size_t n = n_rows - row < BATCH_ROWS ? n_rows - row : BATCH_ROWS;
        int refused = predict_block(features + row * MLFAST_N_FEATURES, &n,
                                    out + row * MLFAST_N_OUTPUTS);
        if (refused) {
            if (refused_row)
                *refused_row = row + n;
            return refused;
        }
    }
    return 0;
}

static int encode(double *slots, double *encoded)
{
    int refused = model_encode(slots);
    if (!refused)
        memcpy(encoded, slots, MLFAST_N_ENCODED * sizeof *encoded);
    return refused;
}

int mlfast_encode_one(const double *features, double *encoded)
{
    double slots[MODEL_SLOTS];
    read_features(features, slots);
    return encode(slots, encoded);
}

int mlfast_encode_record(const mlfast_record *record, double *encoded)
{
    double slots[MODEL_SLOTS];
    read_record(record, slots);
    return encode(slots, encoded);
}

const char *mlfast_error(int code)
{
#if MODEL_STEPS
    if (code > 0 && code <= (int)(sizeof refusals / sizeof *refusals))
        return refusals[code - 1];
#endif
    return code == 0 ? "no error" : "unknown code";
}

#ifdef MODEL_HEAD
static int explain(double *slots, mlfast_answer *a)
{
    int refused = model_decide(slots, a->decisions);
    if (refused)
        return refused;
    mlf_link(&output, a->decisions, a->values);
#if MLFAST_HAS_LABEL
    a->label = mlf_label(&output, a->decisions, a->values);
#endif
    return 0;
}

int mlfast_answer_one(const double *features, mlfast_answer *a)
{
    double slots[MODEL_SLOTS];
    read_features(features, slots);
    return explain(slots, a);
}

int mlfast_answer_record(const mlfast_record *record, mlfast_answer *a)
{
    double slots[MODEL_SLOTS];
    read_record(record, slots);
    return explain(slots, a);
}
#endif
