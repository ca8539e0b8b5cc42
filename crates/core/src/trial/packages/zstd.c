/* Workloads of zstd. Does not know what it is linked with. */
#include "ironwright-driver.h"
#include "zstd.h"

enum { SIZE = 4 << 20 };
static unsigned char plain[SIZE], again[SIZE];
static unsigned char packed[SIZE + SIZE / 64 + 1024];

static size_t pack(ZSTD_CCtx *context, int level) {
    size_t length = ZSTD_compressCCtx(context, packed, sizeof packed, plain, SIZE, level);
    return ZSTD_isError(length) ? (size_t)fail("compress") : length;
}

static uint64_t compress(long rounds, int level) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t length = 0;
    text_fill(plain, SIZE);
    while (rounds--)
        length = pack(context, level);
    return sum_of(packed, length);
}

static uint64_t run_1(long rounds) { return compress(rounds, 1); }
static uint64_t run_3(long rounds) { return compress(rounds, 3); }
static uint64_t run_9(long rounds) { return compress(rounds, 9); }

static uint64_t run_decompress(long rounds) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_DCtx *back = ZSTD_createDCtx();
    text_fill(plain, SIZE);
    size_t length = pack(context, 3);
    while (rounds--)
        if (ZSTD_decompressDCtx(back, again, SIZE, packed, length) != SIZE)
            fail("decompress");
    return sum_of(again, 4096) + (uint64_t)length;
}

int main(int argc, char **argv) {
    const struct task tasks[] = {{"compress-1", run_1}, {"compress-3", run_3}, {"compress-9", run_9},
                                 {"decompress", run_decompress}, {NULL, NULL}};
    return drive(tasks, argc, argv);
}
