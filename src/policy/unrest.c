/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/unrest.h"
#include <stdio.h>

/* From here on it is not chance that several restart. */
enum { RESTARTS_MIN = 6, SERVICES_MIN = 3 };
static const double spread_min = 0.7;

struct unrest unrest_look(const size_t *counts, size_t count) {
    struct unrest unrest = {.all = count};
    for (size_t i = 0; i < count; i++) {
        unrest.restarts += counts[i];
        unrest.services += counts[i] > 0;
        if (counts[i] > counts[unrest.most])
            unrest.most = i;
    }
    double same = 0;
    for (size_t i = 0; i < count && unrest.restarts; i++) {
        double share = (double)counts[i] / (double)unrest.restarts;
        same += share * share;
    }
    unrest.spread = unrest.restarts && count > 1 ? (1 - same) / (1 - 1 / (double)count) : 0;
    return unrest;
}

void unrest_text(const struct unrest *unrest, const char *name, const char *span,
                 char ret[UNREST_TEXT_BYTES]) {
    const char *plural = unrest->restarts == 1 ? "" : "s";
    bool common = unrest->spread >= spread_min && unrest->restarts >= RESTARTS_MIN &&
                  unrest->services >= SERVICES_MIN && unrest->services * 2 >= unrest->all;
    if (unrest->restarts == 0)
        snprintf(ret, UNREST_TEXT_BYTES, "no restart in %s", span);
    else if (unrest->services == 1)
        snprintf(ret, UNREST_TEXT_BYTES, "%zu restart%s in %s, all of %s", unrest->restarts, plural,
                 span, name);
    else
        snprintf(ret, UNREST_TEXT_BYTES, "%zu restart%s in %s, of %zu services%s%s",
                 unrest->restarts, plural, span, unrest->services,
                 common ? " alike: look at the machine" : ", most of them of ", common ? "" : name);
}
