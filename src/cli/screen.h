/* SPDX-License-Identifier: Apache-2.0 */
/* screen.h - for src/cli only: text in cells of a terminal. What services say of themselves is not
 * trusted: nothing here lets a control character through. */
#pragma once
#include "base/common.h"
#include <time.h>

void screen_init(void); /* UTF-8 widths, whatever the locale; once, before the others */
/* Columns of the terminal at `fd`; 0: no terminal, so nothing needs to be cut. */
int screen_columns(int fd);
int cells_width(const char *text);
/* The text in at most `width` cells, "…" at the end of what was cut; control characters become
 * spaces. The caller frees. */
char *cells_cut(const char *text, int width);
/* The same, filled up with spaces to just `width` cells; `right`: in front. */
char *cells_fit(const char *text, int width, bool right);

/* Colour of a state, as SGR parameters such as "32"; and whether somebody should look at it. */
const char *state_colour(const char *state);
/* "19:02:11", with the date when it is not today's, from "2026-11-22T08:00:00.123Z"; local time. */
enum { SCREEN_TIME_BYTES = 32 };
void screen_time(const char *utc, time_t now, char ret[SCREEN_TIME_BYTES]);
/* Since when, in at most 8 cells: "250 ms", "5 s", "12 m", "3 h 10 m", "12 d". */
enum { SCREEN_SHORT_BYTES = 24 };
void screen_short_duration(int64_t ms, char ret[SCREEN_SHORT_BYTES]);
