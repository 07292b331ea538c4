/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/bybit_sign.h"
#include <openssl/hmac.h>
#include <stdio.h>

void bybit_sign(struct slice secret, const struct slice *parts, size_t count,
                char ret[BYBIT_SIGNATURE_BYTES]) {
    unsigned char digest[32], *bytes = NULL;
    size_t size = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    bytes = memory_array(size + 1, 1);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size > 0)
            memcpy(bytes + at, parts[i].data, parts[i].size);
        at += parts[i].size;
    }
    unsigned written = 0;
    must(HMAC(EVP_sha256(), secret.data, (int)secret.size, bytes, size, digest, &written) &&
         written == sizeof digest);
    for (size_t i = 0; i < sizeof digest; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    free(bytes);
}
