/* SPDX-License-Identifier: Apache-2.0 */
#include "base/zone.h"
#include "base/file.h"
#include <errno.h>
#include <sys/stat.h>
#include <time.h>

enum { DAY_S = 86400 };

static bool is_utc(const char *name) {
    return strcmp(name, "UTC") == 0 || strcmp(name, "Etc/UTC") == 0;
}

bool zone_exists(const char *name) {
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_+-";
    if (is_utc(name))
        return true; /* without a database too */
    if (!name[0] || name[0] == '/' || name[strspn(name, good)])
        return false;
    const char *folder = getenv("TZDIR");
    AUTO_FREE char *path = path_join(folder ? folder : "/usr/share/zoneinfo", name);
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode);
}

static int32_t offset_at(int64_t second) {
    time_t time = (time_t)second;
    struct tm local = {0};
    localtime_r(&time, &local);
    return (int32_t)local.tm_gmtoff;
}

static void add_step(struct zone *zone, int64_t from_s, int32_t offset_s) {
    zone->steps = memory_grow(zone->steps, zone->count + 1, sizeof *zone->steps);
    zone->steps[zone->count++] = (struct zone_step){from_s, offset_s};
}

/* The offset is looked at once a day: no zone has changed twice within one. */
static void find_steps(int64_t from_s, int64_t until_s, struct zone *zone) {
    add_step(zone, from_s, offset_at(from_s));
    for (int64_t day = from_s; day < until_s; day += DAY_S) {
        int32_t now = zone->steps[zone->count - 1].offset_s, next = offset_at(day + DAY_S);
        if (now == next)
            continue;
        int64_t before = day, after = day + DAY_S;
        while (after - before > 1) {
            int64_t middle = before + (after - before) / 2;
            if (offset_at(middle) == now)
                before = middle;
            else
                after = middle;
        }
        add_step(zone, after, next);
    }
}

int zone_load(const char *name, int64_t from_s, int64_t until_s, struct zone *ret) {
    *ret = (struct zone){0};
    if (is_utc(name))
        return 0;
    if (!zone_exists(name))
        return -ENOENT;
    AUTO_FREE char *before = text_copy(getenv("TZ"));
    setenv("TZ", name, 1);
    tzset();
    find_steps(from_s, until_s, ret);
    if (before)
        setenv("TZ", before, 1);
    else
        unsetenv("TZ");
    tzset();
    return 0;
}

void zone_deinit(struct zone *zone) {
    free(zone->steps);
    *zone = (struct zone){0};
}
