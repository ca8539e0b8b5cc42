/* Workloads of libsodium. Does not know what it is linked with. */
#include "ironwright-driver.h"
#include <sodium.h>

enum { SIZE = 16384 };
static unsigned char input[SIZE], output[SIZE + 64], key[32], nonce[32];

static uint64_t run_xchacha20(long rounds) {
    random_fill(key, sizeof key);
    random_fill(nonce, sizeof nonce);
    random_fill(input, SIZE);
    while (rounds--)
        if (crypto_stream_xchacha20_xor(output, input, SIZE, nonce, key) != 0)
            fail("xchacha20");
    return sum_of(output, SIZE);
}

static uint64_t run_aead(long rounds) {
    unsigned long long length = 0;
    random_fill(key, sizeof key);
    random_fill(nonce, sizeof nonce);
    random_fill(input, SIZE);
    while (rounds--)
        crypto_aead_chacha20poly1305_ietf_encrypt(output, &length, input, SIZE, NULL, 0, NULL, nonce, key);
    return sum_of(output, (size_t)length);
}

static uint64_t run_sha512(long rounds) {
    unsigned char sum[crypto_hash_sha512_BYTES];
    crypto_hash_sha512_state state;
    random_fill(input, SIZE);
    crypto_hash_sha512_init(&state);
    while (rounds--)
        crypto_hash_sha512_update(&state, input, SIZE);
    crypto_hash_sha512_final(&state, sum);
    return sum_of(sum, sizeof sum);
}

static uint64_t run_blake2b(long rounds) {
    unsigned char sum[32];
    random_fill(input, SIZE);
    while (rounds--) {
        crypto_generichash(sum, sizeof sum, input, SIZE, NULL, 0);
        input[0] = sum[0];
    }
    return sum_of(sum, sizeof sum);
}

static void signing_keys(unsigned char *public, unsigned char *secret) {
    random_fill(key, sizeof key);
    random_fill(input, SIZE);
    crypto_sign_seed_keypair(public, secret, key);
}

static uint64_t run_sign(long rounds) {
    unsigned char public[32], secret[64], signature[64];
    signing_keys(public, secret);
    while (rounds--)
        crypto_sign_detached(signature, NULL, input, 256, secret);
    return sum_of(signature, sizeof signature);
}

static uint64_t run_verify(long rounds) {
    unsigned char public[32], secret[64], signature[64];
    signing_keys(public, secret);
    crypto_sign_detached(signature, NULL, input, 256, secret);
    while (rounds--)
        if (crypto_sign_verify_detached(signature, input, 256, public) != 0)
            fail("verify");
    return sum_of(signature, sizeof signature);
}

static uint64_t run_argon2(long rounds) {
    unsigned char sum[32], salt[crypto_pwhash_SALTBYTES];
    random_fill(salt, sizeof salt);
    while (rounds--)
        if (crypto_pwhash(sum, sizeof sum, "password", 8, salt, 2, 16 << 20, crypto_pwhash_ALG_DEFAULT) != 0)
            fail("argon2");
    return sum_of(sum, sizeof sum);
}

int main(int argc, char **argv) {
    const struct task tasks[] = {{"xchacha20", run_xchacha20},   {"chacha20-poly1305", run_aead},
                                 {"sha512", run_sha512},         {"blake2b", run_blake2b},
                                 {"ed25519-sign", run_sign},     {"ed25519-verify", run_verify},
                                 {"argon2", run_argon2},         {NULL, NULL}};
    if (sodium_init() < 0)
        fail("init");
    return drive(tasks, argc, argv);
}
