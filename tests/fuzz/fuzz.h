/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h - what libFuzzer calls. Returns 0; a fault is what the sanitizers or must() find. */
#pragma once
#include "base/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
