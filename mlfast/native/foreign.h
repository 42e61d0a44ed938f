/* Models that treelite or tl2cgen compiled to shared libraries, as heads. */
#ifndef MLF_FOREIGN_H
#define MLF_FOREIGN_H

#include "plan.h"

/* How the library's function answers; LEAF is float or double, as the entries of a row are. */
typedef enum mlf_foreign_kind {
    MLF_FOREIGN_RETURNS,   /* LEAF predict(entry *row, int margin)                   */
    MLF_FOREIGN_COUNTS,    /* size_t predict_multiclass(entry *row, int margin, LEAF *out) */
    MLF_FOREIGN_FILLS      /* void predict(entry *row, int margin, LEAF *out), out zeroed before */
} mlf_foreign_kind;

typedef struct mlf_foreign {
    int32_t n_features, n_outputs;
    uint8_t kind;          /* mlf_foreign_kind                                       */
    uint8_t float64;       /* entries and answers are double                         */
    uint8_t margin;        /* ask for raw margins                                    */
    void (*function)(void);
} mlf_foreign;

/* Fills `head`; `foreign` must outlive it. */
void mlf_foreign_bind(const mlf_foreign *foreign, mlf_head *head);

#endif
