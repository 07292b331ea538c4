# SPDX-License-Identifier: Apache-2.0
"""Ten years of slots, reckoned with Python's zoneinfo and without our code, as a table for
src/policy/calendar_test.c: how many there are and a hash (FNV-1a) of all, in seconds since 1970.
The years are past ones: no later tz database changes them.

    python3 tests/calendar_slots.py > src/policy/calendar_slots.h
"""

import datetime
import zoneinfo

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Ho_Chi_Minh", "UTC")
# Times of the day, days of the week (Monday is 0; none: all). The test has the same list.
SCHEDULES = (
    (("00:00", "01:30", "01:45", "02:00", "02:15", "02:30", "03:00", "23:59"), ()),
    (("02:30",), (6,)),
    (("12:00",), (0, 4)),
)
FIRST_YEAR, AFTER_YEAR = 2015, 2025


def seconds(local):
    return int(local.timestamp())


def moment(day, time, zone):
    """The moment at which the zone's clock shows `time`, the first of two; the end of the gap when
    it never does."""
    local = datetime.datetime.combine(day, time, zone)
    moment = seconds(local)
    if datetime.datetime.fromtimestamp(moment, zone).time() == time:
        return moment
    # In a gap the two folds lie on its two sides.
    before, after = sorted((moment, seconds(local.replace(fold=1))))
    old = datetime.datetime.fromtimestamp(before, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.datetime.fromtimestamp(middle, zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def slots(zone, times, weekdays):
    day = datetime.date(FIRST_YEAR, 1, 1)
    found = set()
    while day.year < AFTER_YEAR:
        if not weekdays or day.weekday() in weekdays:
            found |= {moment(day, datetime.time.fromisoformat(time), zone) for time in times}
        day += datetime.timedelta(days=1)
    return sorted(found)


def fnv(numbers):
    value = 0xCBF29CE484222325
    for number in numbers:
        for byte in number.to_bytes(8, "little"):
            value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def main():
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by tests/calendar_slots.py; not to be edited. */")
    print("// clang-format off")
    for name in ZONES:
        for number, (times, weekdays) in enumerate(SCHEDULES):
            found = slots(zoneinfo.ZoneInfo(name), times, weekdays)
            print(f'{{"{name}", {number}, {found[0]}, {found[-1]}, {len(found)}, {fnv(found):#018x}u}},')
    print("// clang-format on")


if __name__ == "__main__":
    main()
