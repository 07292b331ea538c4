/* SPDX-License-Identifier: Apache-2.0 */
#include "link/url.h"

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *url_decode(struct slice text, bool plus_is_space) {
    char *out = memory_new(text.size + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        int high = c == '%' && i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
        if (low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[n++] = c;
    }
    return out;
}

bool url_holds_nul(const char *text) {
    return strstr(text, "%00") != NULL;
}

static void add_parameter(struct url_query *query, struct slice pair) {
    const char *equals = memchr(pair.data, '=', pair.size);
    size_t name_size = equals ? (size_t)(equals - pair.data) : pair.size;
    struct slice value = {pair.data + pair.size, 0};
    if (equals)
        value = (struct slice){equals + 1, pair.size - name_size - 1};
    query->parameters = memory_grow(query->parameters, query->count + 1, sizeof *query->parameters);
    query->parameters[query->count++] = (struct url_parameter){
        url_decode((struct slice){pair.data, name_size}, true), url_decode(value, true)};
}

void url_query_init(struct url_query *query, const char *text) {
    *query = (struct url_query){0};
    while (*text && query->count < URL_PARAMETERS_MAX) {
        size_t size = strcspn(text, "&");
        if (size)
            add_parameter(query, (struct slice){text, size});
        text += size + (text[size] == '&');
    }
}

void url_query_deinit(struct url_query *query) {
    for (size_t i = 0; i < query->count; i++) {
        free(query->parameters[i].name);
        free(query->parameters[i].value);
    }
    free(query->parameters);
    *query = (struct url_query){0};
}
