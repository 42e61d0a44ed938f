/* From raw sums to decisions, values and labels (spec.Output). */
#ifndef MLF_LINKS_H
#define MLF_LINKS_H

#include "plan.h"

/* raw: double[n_raw] -> decisions: double[output->n_decisions]. */
void mlf_decide(const mlf_output *output, const double *raw, int32_t n_raw, double *decisions);

/* decisions: double[output->n_decisions] -> values: double[output->n_values]. */
void mlf_link(const mlf_output *output, const double *decisions, double *values);

/* Whether each value of both links depends on one raw sum alone, and then the two over many rows
 * of a model with one raw sum: x double[n] in place to decisions; linked double[n] receives the
 * values (the probability of the second class, if binary). */
int mlf_links_one(const mlf_output *output);
void mlf_decide_rows(const mlf_output *output, double *x, int32_t n);
void mlf_link_rows(const mlf_output *output, const double *x, int32_t n, double *linked);

/* Index of the class that `rule` picks; -1 or 1 for MLF_OUTLIER. Not for MLF_VALUE and
 * MLF_EACH_HALF. `values` is read by the rules that look at values only. */
int32_t mlf_label(const mlf_output *output, const double *decisions, const double *values);

/* Whether `rule` looks at values (1) or at decisions alone (0). */
int mlf_label_needs_values(const mlf_output *output);

#endif
