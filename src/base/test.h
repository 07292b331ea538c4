/* SPDX-License-Identifier: Apache-2.0 */
/* test.h - what cmocka needs before its own header, once. Tests only. */
#pragma once
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
