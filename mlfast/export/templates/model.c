/* ---------------------------------------------------------------- the model
 *
 * Values stand in slots: the inputs first read into theirs, the steps of the encoder then fill
 * the others, and the encoded vector is the first of them.
 */

/* 0, or 1 + the number of the step that refuses the record. */
static int model_encode(double *slots)
{
#if MODEL_STEPS
    mlf_status status = { -1, -1, 0, 0 };
    if (mlf_encode_one(&encoder, slots, &status))
        return 1 + status.refused;
#endif
    (void)slots;
    return 0;
}

#ifdef MODEL_HEAD
static int model_decide(double *slots, double *decisions)
{
    double raw[MODEL_RAW];
    int refused = model_encode(slots);
    if (refused)
        return refused;
    MODEL_HEAD(slots, raw);
    mlf_decide(&output, raw, MODEL_RAW, decisions);
    return 0;
}
#endif
