/* SPDX-License-Identifier: Apache-2.0 */
/* store_sqlite.h - the store in one SQLite file: WAL, synchronous=FULL, locked for this process
 * alone. The file is checked when it is opened and brought to this version's schema. */
#pragma once
#include "store/backend.h"

struct store_backend *store_sqlite_new_hub(void);    /* RECORD_BOT ... RECORD_SEEN */
struct store_backend *store_sqlite_new_trader(void); /* RECORD_ORDER ...; finds no alerts */
