#include "vocabulary.h"

mlf_vocabulary *mlf_vocabulary_make(const mlf_key *keys, int32_t n_keys, mlf_memory *memory)
{
    uint32_t n_entries = 4;
    while (n_entries < 2 * (uint32_t)n_keys)
        n_entries *= 2;
    mlf_vocabulary *v = memory->alloc(memory, sizeof *v);
    mlf_entry *entries = memory->alloc(memory, n_entries * sizeof *entries);
    const char **texts = memory->alloc(memory, (size_t)n_keys * sizeof *texts + 1);
    if (!v || !entries || !texts)
        return NULL;
    *v = (mlf_vocabulary){ n_entries - 1, n_keys, entries, texts };
    for (uint32_t i = 0; i < n_entries; i++)
        entries[i] = (mlf_entry){ .code = -1 };

    for (int32_t code = 0; code < n_keys; code++) {
        const mlf_key *key = &keys[code];
        uint32_t bytes = 0;
        uint64_t head;
        char *text = NULL;
        if (key->kind == MLF_KEY_INTEGER) {
            head = (uint64_t)key->as.integer;
        } else if (key->kind == MLF_KEY_NUMBER) {
            memcpy(&head, &key->as.number, 8);
        } else {
            bytes = key->size * key->kind;
            text = memory->alloc(memory, bytes + 1);
            if (!text)
                return NULL;
            memcpy(text, key->as.text, bytes);
            head = mlf_text_head(text, bytes);
        }
        texts[code] = text;
        uint32_t form = mlf_form(key->kind, bytes), i = mlf_hash(form, head, text, bytes);
        while (entries[i & v->mask].code >= 0)
            i++;
        entries[i & v->mask] = (mlf_entry){ head, code, form };
    }
    return v;
}
