/* SPDX-License-Identifier: Apache-2.0 */
/* Made by tests/calendar_slots.py; not to be edited. */
// clang-format off
{"Europe/Berlin", 0, 1420066800, 1735685940, 29194, 0xa9d09faca08139eeu},
{"Europe/Berlin", 1, 1420335000, 1735435800, 522, 0x492e845efbb5b0c8u},
{"Europe/Berlin", 2, 1420196400, 1735556400, 1044, 0x97ec74ff98934b42u},
{"America/New_York", 0, 1420088400, 1735707540, 29194, 0xda204b8f49371347u},
{"America/New_York", 1, 1420356600, 1735457400, 522, 0x8dab519f6e66f22eu},
{"America/New_York", 2, 1420218000, 1735578000, 1044, 0xa46ed38e6b11705au},
{"Australia/Lord_Howe", 0, 1420030800, 1735649940, 29204, 0x5d3e775226bbcdacu},
{"Australia/Lord_Howe", 1, 1420299000, 1735399800, 522, 0xb6c5c787acfacc83u},
{"Australia/Lord_Howe", 2, 1420160400, 1735520400, 1044, 0xf7cd6d0662c6507au},
{"Asia/Ho_Chi_Minh", 0, 1420045200, 1735664340, 29224, 0x18f64d06d19ce405u},
{"Asia/Ho_Chi_Minh", 1, 1420313400, 1735414200, 522, 0xc9736c8c9a45e2ffu},
{"Asia/Ho_Chi_Minh", 2, 1420174800, 1735534800, 1044, 0x6b769f74889db065u},
{"UTC", 0, 1420070400, 1735689540, 29224, 0xc7242de7fc7a2040u},
{"UTC", 1, 1420338600, 1735439400, 522, 0x0b74beb41f06ecebu},
{"UTC", 2, 1420200000, 1735560000, 1044, 0x431e4150956c68a4u},
    // clang-format on
