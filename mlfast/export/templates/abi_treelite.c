/* ------------------------------------------------ the ABI of compiled treelite models */

typedef ABI_FLOAT abi_float;
union Entry { int missing; abi_float fvalue; int qvalue; };

static void model_values(union Entry *row, int pred_margin, double *values)
{
    double features[ABI_FEATURES + 1], slots[MODEL_SLOTS], decisions[MODEL_DECISIONS];
    for (int i = 0; i < ABI_FEATURES; i++)
        features[i] = row[i].missing == -1 ? NAN : (double)row[i].fvalue;
    read_features(features, slots);
    if (model_decide(slots, decisions))
        for (int k = 0; k < MODEL_DECISIONS; k++)
            decisions[k] = NAN;                    /* this ABI cannot refuse a row */
    if (pred_margin)
        memcpy(values, decisions, sizeof decisions);
    else
        mlf_link(&output, decisions, values);
}

/* A binary model with one sum answers the probability of its second class. */
static size_t model_result(union Entry *row, int pred_margin, abi_float *result)
{
    double values[MODEL_VALUES > MODEL_DECISIONS ? MODEL_VALUES : MODEL_DECISIONS];
    const size_t n = pred_margin ? MODEL_DECISIONS : ABI_VALUES;
    model_values(row, pred_margin, values);
    for (size_t k = 0; k < n; k++)
        result[k] = (abi_float)values[k + (pred_margin ? 0 : MODEL_VALUES - ABI_VALUES)];
    return n;
}

ABI_EXPORT const char *get_threshold_type(void) { return ABI_FLOAT_NAME; }
ABI_EXPORT const char *get_leaf_output_type(void) { return ABI_FLOAT_NAME; }

#if ABI_TL2CGEN
ABI_EXPORT int32_t get_num_target(void) { return ABI_TARGETS; }
ABI_EXPORT int32_t get_num_feature(void) { return ABI_FEATURES; }
ABI_EXPORT void get_num_class(int32_t *out)
{
    for (int target = 0; target < ABI_TARGETS; target++)
        out[target] = ABI_CLASSES;
}
ABI_EXPORT void predict(union Entry *row, int pred_margin, abi_float *result)
{
    model_result(row, pred_margin, result);
}
#else
ABI_EXPORT size_t get_num_class(void) { return MODEL_DECISIONS; }
ABI_EXPORT size_t get_num_feature(void) { return ABI_FEATURES; }
ABI_EXPORT const char *get_pred_transform(void) { return ABI_TRANSFORM; }
ABI_EXPORT float get_sigmoid_alpha(void) { return (float)ABI_SIGMOID_ALPHA; }
ABI_EXPORT float get_ratio_c(void) { return 1.0f; }
ABI_EXPORT float get_global_bias(void) { return 0.0f; }     /* the sums hold it already */
#if MODEL_DECISIONS > 1
ABI_EXPORT size_t predict_multiclass(union Entry *row, int pred_margin, abi_float *out)
{
    return model_result(row, pred_margin, out);
}
#else
ABI_EXPORT abi_float predict(union Entry *row, int pred_margin)
{
    abi_float result[1];
    model_result(row, pred_margin, result);
    return result[0];
}
#endif
#endif
