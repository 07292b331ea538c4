/* SPDX-License-Identifier: Apache-2.0 */
/* order_typed.c - what people type for a symbol and for a number. */
#include "base/buffer.h"
#include "base/text.h"
#include "engine/order_rules.h"
#include <ctype.h>
#include <errno.h>

enum { SHOWN_BYTES = 24, TYPED_BYTES = 64 }; /* of a stranger's text in our sentence; of a number */
static const char settle[] = "USDT";

/* "btc/usdt " -> "BTCUSDT"; false: can be no symbol. */
static bool read_symbol(const char *typed, char ret[SYMBOL_BYTES]) {
    size_t at = 0;
    for (const char *p = typed; *p; p++) {
        if (strchr("/-_: \t\n", *p))
            continue;
        if (!isalnum((unsigned char)*p) || at + 1 == SYMBOL_BYTES)
            return false;
        ret[at++] = (char)toupper((unsigned char)*p);
    }
    ret[at] = 0;
    return at > 0;
}

static void cut_settle(char *symbol) {
    size_t size = strlen(symbol), tail = sizeof settle - 1;
    if (size > tail && strcmp(symbol + size - tail, settle) == 0)
        symbol[size - tail] = 0;
}

static const struct instrument *find_symbol(const struct instruments *instruments,
                                            const char *symbol) {
    char whole[SYMBOL_BYTES + sizeof settle];
    const struct instrument *found = instruments_find(instruments, symbol);
    if (found)
        return found;
    text_print(whole, sizeof whole, "%s%s", symbol, settle);
    return instruments_find(instruments, whole);
}

/* Only the bases are compared: that all symbols end alike makes none of them meant. */
static const struct instrument *nearest(const struct instruments *instruments, const char *base) {
    size_t count = instruments->count;
    AUTO_FREE char *names = memory_array(count + 1, SYMBOL_BYTES);
    AUTO_FREE const char **list = memory_array(count + 1, sizeof *list);
    const struct instrument *holds = NULL;
    for (size_t i = 0; i < count; i++) {
        char *name = names + i * SYMBOL_BYTES;
        strcpy(name, instruments->list[i].symbol);
        cut_settle(name);
        list[i] = name;
        if (!holds && strlen(base) >= 3 && strstr(name, base)) /* pepe: 1000PEPE */
            holds = &instruments->list[i];
    }
    list[count] = NULL;
    if (holds)
        return holds;
    const char *meant = text_did_you_mean(base, list);
    return meant ? &instruments->list[(size_t)(meant - names) / SYMBOL_BYTES] : NULL;
}

const struct instrument *rule_symbol(const struct instruments *instruments, const char *typed,
                                     char ret[RULE_SENTENCE_BYTES]) {
    char symbol[SYMBOL_BYTES];
    const struct instrument *found = NULL, *near = NULL;
    if (instruments->count == 0) {
        text_print(ret, RULE_SENTENCE_BYTES,
                   "The exchange has not answered yet. Please try again in a moment.");
        return NULL;
    }
    if (read_symbol(typed, symbol)) {
        found = find_symbol(instruments, symbol);
        if (found)
            return rule_instrument(found, ret) ? NULL : found;
        cut_settle(symbol);
        near = nearest(instruments, symbol);
    }
    if (near)
        text_print(ret, RULE_SENTENCE_BYTES, "\"%.*s\" is not a symbol here. Did you mean %s?",
                   SHOWN_BYTES, typed, near->symbol);
    else
        text_print(ret, RULE_SENTENCE_BYTES,
                   "\"%.*s\" is not a symbol here. Please type one like BTC or BTCUSDT.",
                   SHOWN_BYTES, typed);
    return NULL;
}

/* Spaces around are gone, the wide and the narrow spaces that phones put between thousands are
 * plain ones. false: too long for a number. */
static bool tidy(const char *typed, char ret[TYPED_BYTES]) {
    static const char *const spaces[] = {"\u00a0", "\u202f", "\u2009", "\t", "\n", " "};
    size_t at = 0;
    while (*typed) {
        size_t space = 0;
        for (size_t i = 0; i < COUNT_OF(spaces) && !space; i++)
            if (strncmp(typed, spaces[i], strlen(spaces[i])) == 0)
                space = strlen(spaces[i]);
        if (!space || at > 0) {
            if (at + 1 == TYPED_BYTES)
                return false;
            ret[at++] = space ? ' ' : *typed;
        }
        typed += space ? space : 1;
    }
    while (at > 0 && ret[at - 1] == ' ')
        at--;
    ret[at] = 0;
    return true;
}

/* Takes the marks between thousands out; false when they are not where thousands are. "0,500" and
 * "64,25" are decimal commas, and to read them as thousands would be wrong a thousandfold. */
static bool join_thousands(char *number) {
    size_t whole = strcspn(number, "."), first = strcspn(number, ",_' "), at = first;
    if (first >= whole)
        return number[first] == 0; /* no mark, or one behind the point */
    char mark = number[first];
    if (first < 1 || first > 3 || number[0] == '0' || (whole - first) % 4 != 0)
        return false;
    for (size_t i = first; number[i]; i++) {
        bool is_mark = strchr(",_' ", number[i]);
        if (is_mark != (i < whole && (i - first) % 4 == 0) || (is_mark && number[i] != mark))
            return false;
        if (!is_mark)
            number[at++] = number[i];
    }
    number[at] = 0;
    return true;
}

enum number_fault {
    NUMBER_GOOD,
    NUMBER_MISSING,
    NUMBER_NEGATIVE,
    NUMBER_ZERO,
    NUMBER_EXPONENT,
    NUMBER_MARKS,
    NUMBER_DIGITS,
    NUMBER_NONE
};
static const char *const number_helps[] = {
    [NUMBER_MISSING] = "a number is needed here. Please type one like 64250.5.",
    [NUMBER_NEGATIVE] = "the number must be above 0, without a sign.",
    [NUMBER_ZERO] = "the number must be above 0.",
    [NUMBER_EXPONENT] = "please write all digits, without an exponent.",
    [NUMBER_MARKS] = "is that one thousand or a decimal comma? Please write it with a point for "
                     "decimals and nothing else, like 64250.5.",
    [NUMBER_DIGITS] = "that has more digits than an order can have.",
    [NUMBER_NONE] = "that is not a number. Please type one like 64250.5.",
};

static enum number_fault read_number(const char *typed, struct decimal *ret) {
    char number[TYPED_BYTES];
    if (!tidy(typed, number))
        return NUMBER_NONE;
    size_t size = strlen(number), digits = strspn(number, "0123456789.,_' ");
    if (size == 0)
        return NUMBER_MISSING;
    if (digits == 0 && strchr("-+", number[0]) && isdigit((unsigned char)number[1]))
        return NUMBER_NEGATIVE;
    if (digits > 0 && digits + 1 < size && strchr("eE", number[digits]) &&
        strspn(number + digits + 1, "+-0123456789") == size - digits - 1)
        return NUMBER_EXPONENT;
    if (digits < size)
        return NUMBER_NONE;
    if (!join_thousands(number))
        return NUMBER_MARKS;
    int r = decimal_read(slice_of(number), ret);
    if (r)
        return r == -ERANGE ? NUMBER_DIGITS : NUMBER_NONE;
    return decimal_is_zero(*ret) ? NUMBER_ZERO : NUMBER_GOOD;
}

int rule_number(const char *typed, struct decimal *ret_value, char ret[RULE_SENTENCE_BYTES]) {
    struct decimal value;
    enum number_fault fault = read_number(typed, &value);
    if (fault == NUMBER_GOOD) {
        *ret_value = value;
        return 0;
    }
    text_print(ret, RULE_SENTENCE_BYTES, "\"%.*s\": %s", SHOWN_BYTES, typed, number_helps[fault]);
    return RULE_BROKEN;
}
