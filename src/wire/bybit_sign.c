/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/bybit_sign.h"
#include <openssl/core_names.h>
#include <openssl/evp.h>

struct bybit_signer {
    EVP_MAC *algorithm;
    EVP_MAC_CTX *mac;
};

struct bybit_signer *bybit_signer_new(struct slice secret) {
    struct bybit_signer *signer = memory_new(sizeof *signer);
    char digest[] = "SHA256";
    OSSL_PARAM options[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                            OSSL_PARAM_construct_end()};
    static const unsigned char none[1];
    signer->algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    signer->mac = signer->algorithm ? EVP_MAC_CTX_new(signer->algorithm) : NULL;
    /* An empty secret is a key too; a NULL one would mean "the former". */
    must(signer->mac &&
         EVP_MAC_init(signer->mac, secret.size > 0 ? (const unsigned char *)secret.data : none,
                      secret.size, options));
    return signer;
}

struct bybit_signer *bybit_signer_free(struct bybit_signer *signer) {
    if (!signer)
        return NULL;
    EVP_MAC_CTX_free(signer->mac);
    EVP_MAC_free(signer->algorithm);
    free(signer);
    return NULL;
}

static void add_hex(const unsigned char *bytes, size_t size, char *ret) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *ret++ = digits[bytes[i] >> 4];
        *ret++ = digits[bytes[i] & 15];
    }
    *ret = 0;
}

void bybit_sign(struct bybit_signer *signer, const struct slice *parts, size_t count,
                char ret[BYBIT_SIGNATURE_BYTES]) {
    unsigned char digest[32];
    size_t written = 0;
    must(EVP_MAC_init(signer->mac, NULL, 0, NULL)); /* the same secret again */
    for (size_t i = 0; i < count; i++)
        must(EVP_MAC_update(signer->mac, (const unsigned char *)parts[i].data, parts[i].size));
    must(EVP_MAC_final(signer->mac, digest, &written, sizeof digest) && written == sizeof digest);
    add_hex(digest, sizeof digest, ret);
}
