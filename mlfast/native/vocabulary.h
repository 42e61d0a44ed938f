/* Hash table from a known value to its code (spec.Vocabulary). */
#ifndef MLF_VOCABULARY_H
#define MLF_VOCABULARY_H

#include <string.h>

#include "plan.h"

enum { MLF_KEY_INTEGER = 8, MLF_KEY_NUMBER = 9 };

/* An entry of the table: 16 bytes, so that four share a cache line. `head` holds a number's
 * bits, or the first bytes of a text; the rest of a longer text is in `texts`. */
typedef struct mlf_entry {
    uint64_t head;
    int32_t code;         /* -1: empty */
    uint32_t form;        /* mlf_form: kind and bytes of a text */
} mlf_entry;

struct mlf_vocabulary {
    uint32_t mask;        /* number of entries, a power of two, minus one */
    int32_t n_keys;       /* codes n_keys, + 1, + 2: unknown, None, NaN */
    mlf_entry *entries;   /* linear probing, at most half full */
    const char **texts;   /* by code */
};

/* Longer texts are unknown without a look: 2**28 - 1 bytes. */
enum { MLF_FORM_BITS = 28 };

static inline uint32_t mlf_form(uint8_t kind, uint32_t bytes)
{
    return bytes | (uint32_t)kind << MLF_FORM_BITS;
}

/* keys: n_keys distinct keys, key i gets code i; texts are copied. NULL: no memory. */
mlf_vocabulary *mlf_vocabulary_make(const mlf_key *keys, int32_t n_keys, mlf_memory *memory);

static inline int32_t mlf_code_unknown(const mlf_vocabulary *v) { return v->n_keys; }
static inline int32_t mlf_code_none(const mlf_vocabulary *v) { return v->n_keys + 1; }
static inline int32_t mlf_code_nan(const mlf_vocabulary *v) { return v->n_keys + 2; }

/* Up to the first eight bytes of a text, zero-padded; never reads past its end. */
static inline uint64_t mlf_text_head(const char *text, uint32_t bytes)
{
    uint64_t head = 0;
    if (bytes >= 8) {
        memcpy(&head, text, 8);
    } else if (bytes >= 4) {
        uint32_t low, high;
        memcpy(&low, text, 4);
        memcpy(&high, text + bytes - 4, 4);
        head = low | (uint64_t)high << (8 * (bytes - 4));
    } else if (bytes > 0) {
        head = (uint8_t)text[0] | (uint64_t)(uint8_t)text[bytes / 2] << (8 * (bytes / 2))
             | (uint64_t)(uint8_t)text[bytes - 1] << (8 * (bytes - 1));
    }
    return head;
}

/* Multiply and fold (the mixing step of wyhash, public domain, Wang Yi). */
static inline uint64_t mlf_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint32_t mlf_hash(uint32_t form, uint64_t head, const char *text, uint32_t bytes)
{
    uint64_t h = mlf_mix(head ^ 0x9E3779B97F4A7C15u, form ^ 0xD6E8FEB86659FD93u);
    for (uint32_t at = 8; at < bytes; at += 8)
        h = mlf_mix(h ^ mlf_text_head(text + at, bytes - at < 8 ? bytes - at : 8),
                    0xA0761D6478BD642Fu);
    return (uint32_t)(h ^ h >> 32);
}

static inline int32_t mlf_find(const mlf_vocabulary *v, uint32_t form, uint64_t head,
                               const char *text, uint32_t bytes)
{
    for (uint32_t i = mlf_hash(form, head, text, bytes);; i++) {
        const mlf_entry *e = &v->entries[i & v->mask];
        if (e->code < 0)
            return mlf_code_unknown(v);
        if (e->head == head && e->form == form
            && (bytes <= 8 || memcmp(v->texts[e->code] + 8, text + 8, bytes - 8) == 0))
            return e->code;
    }
}

/* `size` code units of `kind` bytes each (see mlf_key). Not inlined: the way for long texts
 * must not weigh on the way for short ones. */
static __attribute__((noinline)) int32_t mlf_find_text(const mlf_vocabulary *v, uint8_t kind,
                                                       const void *text, size_t size)
{
    if (size >= (1u << MLF_FORM_BITS) / 4)
        return mlf_code_unknown(v);
    uint32_t bytes = (uint32_t)size * kind;
    return mlf_find(v, mlf_form(kind, bytes), mlf_text_head(text, bytes), text, bytes);
}

/* The same for a text in front of which at least eight bytes can be read, as in a compact str:
 * no branch on the length of a short text. */
static inline int32_t mlf_find_short_text(const mlf_vocabulary *v, uint8_t kind, const void *text,
                                          size_t size)
{
    size_t bytes = size * kind;
    if (bytes - 1 >= 8)
        return mlf_find_text(v, kind, text, size);
    uint64_t head;
    memcpy(&head, (const char *)text + bytes - 8, 8);
    return mlf_find(v, mlf_form(kind, (uint32_t)bytes), head >> (64 - 8 * bytes), NULL, 0);
}

static inline int32_t mlf_find_integer(const mlf_vocabulary *v, int64_t value)
{
    return mlf_find(v, mlf_form(MLF_KEY_INTEGER, 0), (uint64_t)value, NULL, 0);
}

/* Equality is Python's: a whole number equals the integer. */
static inline int32_t mlf_find_number(const mlf_vocabulary *v, double value)
{
    if (value != value)
        return mlf_code_nan(v);
    if (value >= -9223372036854775808.0 && value < 9223372036854775808.0) {
        int64_t integer = (int64_t)value;
        if ((double)integer == value)
            return mlf_find_integer(v, integer);
    }
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return mlf_find(v, mlf_form(MLF_KEY_NUMBER, 0), bits, NULL, 0);
}

#endif
