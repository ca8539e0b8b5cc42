//! How each binary of the matrix is made, and what is therefore true of it.
//!
//! Does not run anything.

/// What must be found out about a binary.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    pub(crate) level: &'static str,
    /// An extension that stands behind run-time dispatch.
    pub(crate) dispatched: Option<&'static str>,
    pub(crate) compiler: &'static str,
    pub(crate) linker: &'static str,
    pub(crate) lto: &'static str,
    pub(crate) pgo: &'static str,
    pub(crate) allocator: &'static str,
    pub(crate) target: &'static str,
}

/// Commands that make a binary, `OUT` in them standing for its path.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) steps: Vec<Vec<String>>,
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) truth: Truth,
}

pub(crate) const LEVELS: [&str; 4] = ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"];
const LINKERS: [&str; 4] = ["bfd", "gold", "lld", "mold"];

/// How run-time dispatch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dispatch {
    None,
    /// `__builtin_cpu_supports` before a call.
    Asked,
    /// `target_clones`: an ifunc that the compiler writes.
    Clones,
    /// A pointer that a constructor sets by what `cpuid` says.
    Pointer,
}

impl Dispatch {
    const ALL: [Self; 4] = [Self::None, Self::Asked, Self::Clones, Self::Pointer];

    const fn define(self) -> &'static str {
        match self {
            Self::None => "-DPLAIN",
            Self::Asked => "-DASKED",
            Self::Clones => "-DCLONES",
            Self::Pointer => "-DPOINTER",
        }
    }
}

/// Uses what each level brings, and what none does behind dispatch.
pub(crate) const C: &str = r#"
#include <immintrin.h>
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static float a[512], b[512]; static int n[512]; static unsigned char c[64], d[64];
__attribute__((noinline)) static float sum(int m) {
  float s = 0;
  for (int i = 0; i < m; i++) { a[i] = a[i] * b[i] + 1.5f; n[i] = n[i] * 3 + i; }
  for (int i = 0; i < m; i++) s += a[i];
  return s;
}
__attribute__((noinline)) static int bits(unsigned long x) { return __builtin_popcountl(x); }
#if !defined(PLAIN)
__attribute__((noinline, target("avx512f,avx512bw,avx512vbmi"))) static void wide(void) {
  __m512i x = _mm512_loadu_si512(c), y = _mm512_loadu_si512(d);
  _mm512_storeu_si512(c, _mm512_permutexvar_epi8(x, y));
}
__attribute__((noinline)) static void narrow(void) { for (int i = 0; i < 64; i++) c[i] = d[c[i] & 63]; }
#endif
#ifdef CLONES
#ifdef __clang__
#define VERSION "avx512vbmi"
#else
#define VERSION "arch=icelake-server"
#endif
__attribute__((target_clones("default", VERSION))) int many(int k) {
  for (int i = 0; i < 64; i++) c[i] = (unsigned char)(c[i] * 7 + d[i] + k);
  return c[k & 63];
}
#endif
#ifdef POINTER
static void (*chosen)(void) = narrow;
__attribute__((constructor)) static void choose(void) {
  unsigned e, f, g, h;
  if (__get_cpuid_count(7, 0, &e, &f, &g, &h) && (g & bit_AVX512VBMI)) chosen = wide;
}
#endif
int main(int argc, char **argv) {
  char *copy = malloc(strlen(argv[0]) + 1);
  strcpy(copy, argv[0]);
#ifdef ASKED
  if (__builtin_cpu_supports("avx512vbmi")) wide(); else narrow();
#elif defined(CLONES)
  if (argc > 1000) narrow();
  argc += many(argc) & 1;
  if (__builtin_cpu_supports("avx512vbmi")) wide();
#elif defined(POINTER)
  chosen();
#endif
  printf("%s %f %d %d\n", copy, sum(argc * 100 & 511), bits((unsigned long)argc << 7), c[3]);
  free(copy);
  return 0;
}
"#;

/// The same for Rust.
pub(crate) const RUST: &str = r#"
#[inline(never)] fn sum(a: &mut [f32], b: &[f32]) -> f32 {
    for (x, y) in a.iter_mut().zip(b) { *x = x.mul_add(*y, 1.5); }
    a.iter().sum()
}
#[inline(never)] fn bits(x: &[u64]) -> u32 { x.iter().map(|v| v.count_ones()).sum() }
#[inline(never)] fn scale(a: &mut [i32], k: i32) { for (i, x) in a.iter_mut().enumerate() { *x = (*x).wrapping_mul(k) ^ i as i32; } }
#[cfg(asked)]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline(never)] unsafe fn wide(c: &mut [u8; 64]) {
    use std::arch::x86_64::*;
    unsafe {
        let x = _mm512_loadu_si512(c.as_ptr().cast());
        _mm512_storeu_si512(c.as_mut_ptr().cast(), _mm512_permutexvar_epi8(x, x));
    }
}
fn main() {
    let n = std::env::args().count();
    let mut a = vec![n as f32; 300];
    let b = vec![2.0; 300];
    let mut c = [n as u8; 64];
    let mut i = vec![n as i32; 700];
    scale(&mut i, n as i32);
    #[cfg(asked)]
    if std::arch::is_x86_feature_detected!("avx512vbmi") { unsafe { wide(&mut c) } }
    println!("{} {} {} {}", sum(&mut a, &b), bits(&[n as u64, 7]), c[3], i[5]);
    c[0] = 1;
}
"#;

/// The same for Go; its compiler writes what each level brings by itself.
pub(crate) const GO: &str = r#"
package main
import ("math"; "math/bits"; "os")
//go:noinline
func f(x, y, z float64) float64 { return x*y + z + math.FMA(x, y, z) }
//go:noinline
func g(x uint64) int { return bits.OnesCount64(x) + int(x & -x) + int(x<<(x&31)) + bits.TrailingZeros64(x) }
func main() { n := float64(len(os.Args)); println(f(n, n, n), g(uint64(len(os.Args)))) }
"#;

/// Every binary of the matrix.
pub(crate) fn all() -> Vec<Recipe> {
    let mut all = Vec::new();
    for level in LEVELS {
        for dispatch in Dispatch::ALL {
            for linker in LINKERS {
                all.push(c("gcc", level, dispatch, linker, "off"));
                all.push(c("clang", level, dispatch, linker, "off"));
            }
            all.push(c("gcc", level, dispatch, "bfd", "fat"));
            // clang 14 loses the versions of `target_clones` when it optimises at link time.
            if dispatch != Dispatch::Clones {
                all.push(c("clang", level, dispatch, "lld", "thin"));
                all.push(c("clang", level, dispatch, "lld", "fat"));
            }
        }
        all.push(trained("gcc", level));
        all.push(instrumented("gcc", level));
        all.push(instrumented("clang", level));
        for asked in [false, true] {
            all.push(rust(level, asked, "lld", "off"));
        }
        all.push(go(level, ""));
        all.push(go(level, "-s -w"));
    }
    for linker in ["bfd", "gold", "mold"] {
        all.push(rust("x86-64-v3", true, linker, "off"));
    }
    for lto in ["thin", "fat"] {
        all.push(rust("x86-64", true, "lld", lto));
        all.push(rust("x86-64-v3", false, "lld", lto));
    }
    all
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn c_flags(compiler: &str, level: &str, dispatch: Dispatch, linker: &str, lto: &str) -> String {
    let record = if compiler == "gcc" { "-frecord-gcc-switches" } else { "-frecord-command-line" };
    let lto = match (compiler, lto) {
        (_, "off") => "",
        ("clang", "thin") => "-flto=thin",
        _ => "-flto",
    };
    let width = if level == "x86-64-v4" { "-mprefer-vector-width=512" } else { "" };
    format!(
        "{compiler} -O3 -ffast-math -march={level} {width} {record} {} -fuse-ld={linker} {lto} -fstack-protector-strong",
        dispatch.define()
    )
}

fn c_truth(
    compiler: &'static str,
    level: &'static str,
    dispatch: Dispatch,
    linker: &'static str,
) -> Truth {
    Truth {
        level,
        dispatched: (dispatch != Dispatch::None).then_some("avx512vbmi"),
        compiler,
        linker,
        lto: "off",
        pgo: "off",
        allocator: "libc",
        target: level,
    }
}

fn c(
    compiler: &'static str,
    level: &'static str,
    dispatch: Dispatch,
    linker: &'static str,
    lto: &'static str,
) -> Recipe {
    let flags = c_flags(compiler, level, dispatch, linker, lto);
    Recipe {
        name: format!("{compiler}-{level}-{dispatch:?}-{linker}-{lto}"),
        steps: vec![words(&format!("{flags} main.c -o OUT"))],
        environment: Vec::new(),
        truth: Truth { lto, ..c_truth(compiler, level, dispatch, linker) },
    }
}

fn instrumented(compiler: &'static str, level: &'static str) -> Recipe {
    let mut recipe = c(compiler, level, Dispatch::None, "bfd", "off");
    recipe.name.push_str("-instrumented");
    recipe.steps[0].push("-fprofile-generate".to_owned());
    recipe.truth.pgo = "instrumented";
    recipe
}

/// Instrumented, run, compiled with what was counted. At v3 and v4 the run needs such a processor.
fn trained(compiler: &'static str, level: &'static str) -> Recipe {
    let mut recipe = c(compiler, level, Dispatch::None, "bfd", "off");
    recipe.name.push_str("-trained");
    let base = recipe.steps[0].clone();
    let with = |flag: &str| [base.clone(), words(flag)].concat();
    recipe.steps = if level == "x86-64" {
        vec![
            with("-fprofile-generate -fprofile-dir=OUT.profile"),
            words("OUT"),
            with("-fprofile-use=OUT.profile -Wno-missing-profile"),
        ]
    } else {
        vec![with("-fprofile-use=OUT.profile -Wno-missing-profile")]
    };
    recipe.truth.pgo = "on";
    recipe
}

fn rust(level: &'static str, asked: bool, linker: &'static str, lto: &'static str) -> Recipe {
    let cfg = if asked { "--cfg asked" } else { "" };
    let link = if linker == "lld" {
        String::new()
    } else {
        format!("-Clinker-features=-lld -Clink-arg=-fuse-ld={linker}")
    };
    Recipe {
        name: format!("rust-{level}-{asked}-{linker}-{lto}"),
        steps: vec![words(&format!(
            "rustc --edition 2024 -O -Ctarget-cpu={level} -Clto={lto} --check-cfg cfg(asked) {cfg} {link} main.rs -o OUT"
        ))],
        environment: Vec::new(),
        truth: Truth {
            level,
            dispatched: asked.then_some("avx512vbmi"),
            compiler: "rustc",
            linker,
            lto,
            pgo: "",
            allocator: "libc",
            target: "",
        },
    }
}

fn go(level: &'static str, ldflags: &str) -> Recipe {
    let version = level.strip_prefix("x86-64-").unwrap_or("v1");
    let mut step = words("go build -buildvcs=false -o OUT");
    step.push(format!("-ldflags={ldflags}"));
    step.push("main.go".to_owned());
    Recipe {
        name: format!("go-{level}-{}", ldflags.len()),
        steps: vec![step],
        environment: vec![("GOAMD64", version.to_owned()), ("CGO_ENABLED", "0".to_owned())],
        truth: Truth {
            // Go's compiler writes nothing beyond v3 at v4.
            level: if level == "x86-64-v4" { "x86-64-v3" } else { level },
            dispatched: None,
            compiler: "go",
            linker: "go",
            lto: "off",
            pgo: "off",
            allocator: "go",
            target: level,
        },
    }
}
