/* SPDX-License-Identifier: Apache-2.0 */
/* zone.h - a time zone as a table of its offsets, read from the C library's database, so that who
 * reckons with it needs neither clock nor file. */
#pragma once
#include "base/common.h"

struct zone_step {
    int64_t from_s;   /* since 1970 UTC; the first step holds for all that is earlier too */
    int32_t offset_s; /* local time = UTC + offset */
};
struct zone { /* zeroed: UTC */
    struct zone_step *steps;
    size_t count;
};

/* `name`: an IANA name, such as "Europe/Berlin". */
bool zone_exists(const char *name);
/* The steps between two moments; 0, or -ENOENT when there is no such zone. Passes TZ to the C
 * library for a moment and puts it back: no other thread may ask for local time or TZ meanwhile. */
MUST_CHECK int zone_load(const char *name, int64_t from_s, int64_t until_s, struct zone *ret);
void zone_deinit(struct zone *zone);
