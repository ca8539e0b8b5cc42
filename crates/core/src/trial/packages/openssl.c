/* Workloads of OpenSSL's libcrypto. Does not know what it is linked with. */
#include "ironwright-driver.h"
#include <openssl/evp.h>
#include <openssl/rsa.h>

enum { SIZE = 16384 };
static unsigned char input[SIZE], output[SIZE + 64], signature[1024];

static void check(int done, const char *what) {
    if (done != 1)
        fail(what);
}

static uint64_t digest(long rounds, const EVP_MD *kind) {
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    random_fill(input, SIZE);
    check(EVP_DigestInit_ex(context, kind, NULL), "init");
    while (rounds--)
        check(EVP_DigestUpdate(context, input, SIZE), "update");
    check(EVP_DigestFinal_ex(context, sum, &length), "final");
    return sum_of(sum, length);
}

static uint64_t cipher(long rounds, const EVP_CIPHER *kind) {
    unsigned char key[32], nonce[16];
    int length = 0;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    random_fill(key, sizeof key);
    random_fill(nonce, sizeof nonce);
    random_fill(input, SIZE);
    check(EVP_EncryptInit_ex(context, kind, NULL, key, nonce), "init");
    while (rounds--)
        check(EVP_EncryptUpdate(context, output, &length, input, SIZE), "update");
    return sum_of(output, (size_t)length);
}

static EVP_PKEY *ed25519(void) {
    unsigned char secret[32];
    random_fill(secret, sizeof secret);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof secret);
    return key ? key : (fail("key"), NULL);
}

static size_t sign_once(EVP_PKEY *key, const EVP_MD *kind) {
    size_t length = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    check(EVP_DigestSignInit(context, NULL, kind, NULL, key), "init");
    check(EVP_DigestSign(context, signature, &length, input, 256), "sign");
    EVP_MD_CTX_free(context);
    return length;
}

static void verify_once(EVP_PKEY *key, const EVP_MD *kind, size_t length) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    check(EVP_DigestVerifyInit(context, NULL, kind, NULL, key), "init");
    check(EVP_DigestVerify(context, signature, length, input, 256), "verify");
    EVP_MD_CTX_free(context);
}

static uint64_t sign(long rounds, EVP_PKEY *key, const EVP_MD *kind) {
    size_t length = 0;
    random_fill(input, SIZE);
    while (rounds--)
        length = sign_once(key, kind);
    return sum_of(signature, length);
}

static uint64_t verify(long rounds, EVP_PKEY *key, const EVP_MD *kind) {
    random_fill(input, SIZE);
    size_t length = sign_once(key, kind);
    while (rounds--)
        verify_once(key, kind, length);
    return length;
}

static uint64_t run_aes(long rounds) { return cipher(rounds, EVP_aes_256_gcm()); }
static uint64_t run_chacha(long rounds) { return cipher(rounds, EVP_chacha20()); }
static uint64_t run_sha256(long rounds) { return digest(rounds, EVP_sha256()); }
static uint64_t run_blake2b(long rounds) { return digest(rounds, EVP_blake2b512()); }
static uint64_t run_ed_sign(long rounds) { return sign(rounds, ed25519(), NULL); }
static uint64_t run_ed_verify(long rounds) { return verify(rounds, ed25519(), NULL); }
static EVP_PKEY *rsa(void);
static uint64_t run_rsa_sign(long rounds) { return sign(rounds, rsa(), EVP_sha256()); }
static uint64_t run_rsa_verify(long rounds) { return verify(rounds, rsa(), EVP_sha256()); }

/* A key for tests alone, so that no run depends on how long a prime is looked for. */
static EVP_PKEY *rsa(void) {
#include "ironwright-rsa.h"
    const unsigned char *at = rsa_key;
    EVP_PKEY *key = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &at, sizeof rsa_key);
    return key ? key : (fail("key"), NULL);
}

int main(int argc, char **argv) {
    const struct task tasks[] = {{"aes-256-gcm", run_aes},      {"chacha20", run_chacha},
                                 {"sha256", run_sha256},        {"blake2b", run_blake2b},
                                 {"ed25519-sign", run_ed_sign}, {"ed25519-verify", run_ed_verify},
                                 {"rsa2048-sign", run_rsa_sign}, {"rsa2048-verify", run_rsa_verify},
                                 {NULL, NULL}};
    return drive(tasks, argc, argv);
}
