/* What the drivers of workloads share: repeatable input, and a checksum that is printed, so that no
 * work can be left out. Does not measure time: a run does fixed work, whoever runs it does. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state;

static uint64_t random_next(void) {
    /* xorshift64* (Vigna 2016, "An experimental exploration of Marsaglia's xorshift generators"). */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

static void random_fill(unsigned char *to, size_t length) {
    for (size_t i = 0; i < length; i++)
        to[i] = (unsigned char)(random_next() >> 32);
}

/* Text of words of a small vocabulary, so that there is something to compress. */
static void text_fill(unsigned char *to, size_t length) {
    static const char *const words[] = {"the ", "build ", "of ", "a ", "library ", "takes ", "memory ",
                                        "and ", "time, ", "which ", "was ", "measured ", "here.\n", "not ",
                                        "believed ", "because "};
    size_t at = 0;
    while (at < length) {
        uint64_t r = random_next() >> 20;
        char number[24];
        const char *word = words[r % 16];
        if (r % 7 == 0) {
            snprintf(number, sizeof number, "%llu ", (unsigned long long)(r >> 8) % 100000);
            word = number;
        }
        for (; *word && at < length; word++)
            to[at++] = (unsigned char)*word;
    }
}

static uint64_t sum_of(const unsigned char *bytes, size_t length) {
    uint64_t sum = UINT64_C(1469598103934665603);
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(1099511628211);
    return sum;
}

static int fail(const char *what) {
    fprintf(stderr, "failed: %s\n", what);
    exit(1);
}

struct task {
    const char *name;
    uint64_t (*run)(long rounds);
};

/* driver TASK SEED ROUNDS */
static int drive(const struct task *tasks, int argc, char **argv) {
    if (argc != 4)
        fail("expected TASK SEED ROUNDS");
    random_state = UINT64_C(88172645463325252) + strtoull(argv[2], NULL, 10) * UINT64_C(977);
    for (; tasks->name; tasks++)
        if (strcmp(tasks->name, argv[1]) == 0) {
            printf("%016llx\n", (unsigned long long)tasks->run(strtol(argv[3], NULL, 10)));
            return 0;
        }
    return fail("there is no such task");
}
