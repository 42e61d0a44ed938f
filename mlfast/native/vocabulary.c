#include "vocabulary.h"

static void insert(mlf_vocabulary *v, mlf_entry entry)
{
    uint32_t i = mlf_hash(entry.kind, entry.head, entry.text, entry.bytes);
    while (v->entries[i & v->mask].code >= 0)
        i++;
    v->entries[i & v->mask] = entry;
}

mlf_vocabulary *mlf_vocabulary_make(const mlf_key *keys, int32_t n_keys, mlf_memory *memory)
{
    uint32_t n_entries = 4;
    while (n_entries < 2 * (uint32_t)n_keys)
        n_entries *= 2;
    mlf_vocabulary *v = memory->alloc(memory, sizeof *v);
    mlf_entry *entries = memory->alloc(memory, n_entries * sizeof *entries);
    if (!v || !entries)
        return NULL;
    *v = (mlf_vocabulary){ .mask = n_entries - 1, .n_keys = n_keys, .entries = entries };
    for (uint32_t i = 0; i < n_entries; i++)
        entries[i] = (mlf_entry){ .code = -1 };

    for (int32_t code = 0; code < n_keys; code++) {
        const mlf_key *key = &keys[code];
        mlf_entry entry = { .kind = key->kind, .code = code };
        if (key->kind == MLF_KEY_INTEGER) {
            entry.head = (uint64_t)key->as.integer;
        } else if (key->kind == MLF_KEY_NUMBER) {
            memcpy(&entry.head, &key->as.number, 8);
        } else {
            entry.bytes = key->size * key->kind;
            char *text = memory->alloc(memory, entry.bytes + 1);
            if (!text)
                return NULL;
            memcpy(text, key->as.text, entry.bytes);
            entry.text = text;
            entry.head = mlf_text_head(text, entry.bytes);
        }
        insert(v, entry);
    }
    return v;
}
