//! Small projects with something to learn about them.
//!
//! Does not build them.

use std::path::Path;

/// Two tasks, of which a training does one. A macro that names the variant makes other code of it.
pub(crate) const C: &str = r#"#include <stdio.h>
#include <string.h>
static unsigned char text[1 << 20];
static int kind(int c) {
#ifdef VARIANT_optimised
    if (c == '#') return 4;
#endif
    if (c >= 'a' && c <= 'z') return 1;
    return c >= '0' && c <= '9' ? 2 : 0;
}
__attribute__((noinline)) static unsigned long letters(size_t n) {
    unsigned long sum = 0;
    for (size_t i = 0; i < n; i++) sum = sum * 31 + (kind(text[i]) == 1 ? text[i] : 7);
    return sum;
}
__attribute__((noinline)) static unsigned long digits(size_t n) {
    unsigned long sum = 0;
    for (size_t i = 0; i < n; i++) if (kind(text[i]) == 2) sum = sum * 10 + text[i];
    return sum;
}
int main(int argc, char **argv) {
    FILE *file = argc > 2 ? fopen(argv[2], "rb") : NULL;
    if (!file) return 2;
    size_t n = fread(text, 1, sizeof text, file);
    unsigned long sum = 0;
    for (int i = 0; i < 100; i++) sum += strcmp(argv[1], "letters") == 0 ? letters(n) : digits(n);
    printf("%lu\n", sum);
    return 0;
}
"#;

/// A file in the project.
pub(crate) fn put(home: &Path, name: &str, text: &str) {
    let path = home.join("demo").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// What is trained and judged with.
pub(crate) fn inputs(home: &Path) {
    std::fs::write(home.join("a.txt"), "some words to train with\n".repeat(4000)).unwrap();
    std::fs::write(home.join("b.txt"), "1234 numbers 5678\n".repeat(4000)).unwrap();
}

/// A makefile with compiler and flags of its own, which no variable of the environment changes.
pub(crate) fn make_project(source: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    put(home.path(), "main.c", source);
    put(
        home.path(),
        "Makefile",
        "CC = gcc\nCFLAGS = -O2\ndemo: main.c\n\t$(CC) $(CFLAGS) -o $@ main.c\n",
    );
    inputs(home.path());
    home
}
