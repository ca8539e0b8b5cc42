/* Workloads of zlib. Does not know what it is linked with. */
#include "ironwright-driver.h"
#include "zlib.h"

enum { SIZE = 1 << 20 };
static unsigned char plain[SIZE], packed[2 * SIZE], again[SIZE];

static uint64_t checksum(long rounds, uLong (*sum)(uLong, const Bytef *, uInt)) {
    uLong value = 1;
    random_fill(plain, SIZE);
    while (rounds--)
        value = sum(value, plain, SIZE);
    return value;
}

static uint64_t run_crc32(long rounds) { return checksum(rounds, crc32); }
static uint64_t run_adler32(long rounds) { return checksum(rounds, adler32); }

static uint64_t run_deflate(long rounds) {
    uint64_t sum = 0;
    text_fill(plain, SIZE);
    while (rounds--) {
        uLongf length = sizeof packed;
        if (compress2(packed, &length, plain, SIZE, 6) != Z_OK)
            fail("compress2");
        sum += sum_of(packed, 64) + length;
    }
    return sum;
}

static uint64_t run_inflate(long rounds) {
    uLongf length = sizeof packed;
    uint64_t sum = 0;
    text_fill(plain, SIZE);
    if (compress2(packed, &length, plain, SIZE, 6) != Z_OK)
        fail("compress2");
    while (rounds--) {
        uLongf size = SIZE;
        if (uncompress(again, &size, packed, length) != Z_OK || size != SIZE)
            fail("uncompress");
        sum += again[rounds % SIZE];
    }
    return memcmp(plain, again, SIZE) ? (uint64_t)fail("different") : sum;
}

int main(int argc, char **argv) {
    const struct task tasks[] = {{"crc32", run_crc32}, {"adler32", run_adler32}, {"deflate", run_deflate},
                                 {"inflate", run_inflate}, {NULL, NULL}};
    return drive(tasks, argc, argv);
}
