const char mlfast_none[1] = "";

/* A text; NULL is NaN. */
static int32_t find_text(const mlf_vocabulary *v, const char *text)
{
    int32_t low = 0, high = v->n_texts;
    if (text == mlfast_none)
        return v->n_keys + 1;
    if (text == NULL)
        return v->n_keys + 2;
    while (low < high) {
        int32_t middle = low + (high - low) / 2, order = strcmp(v->texts[middle].text, text);
        if (order == 0)
            return v->texts[middle].code;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return v->n_keys;
}
