/* ---------------------------------------------------------------- known values and their codes
 *
 * Codes n_keys, n_keys + 1 and n_keys + 2 are any other value, None and NaN.
 */
typedef struct text_key { const char *text; int32_t code; } text_key;      /* UTF-8 */
typedef struct number_key { double number; int32_t code; } number_key;

struct mlf_vocabulary {
    int32_t n_keys, n_texts, n_numbers;
    const text_key *texts;          /* sorted by bytes  */
    const number_key *numbers;      /* sorted           */
};

static int32_t mlf_find_number(const mlf_vocabulary *v, double x)
{
    int32_t low = 0, high = v->n_numbers;
    if (x != x)
        return v->n_keys + 2;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (v->numbers[middle].number < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low < v->n_numbers && v->numbers[low].number == x ? v->numbers[low].code : v->n_keys;
}
