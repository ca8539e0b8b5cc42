//! What a binary really contains, as functions from bytes to facts.
//!
//! Does not open files and starts nothing: whoever calls has the bytes.

mod build;
mod decode;
pub mod feature;
mod image;
mod flow;
mod scan;

/// stub
pub fn probe(bytes: &[u8]) -> String {
    let file = image::linked::Elf::parse(bytes).unwrap();
    let t0 = std::time::Instant::now();
    let mut image = image::linked::image(&file);
    let t1 = std::time::Instant::now();
    let bodies = scan::scan(&mut image);
    let t2 = std::time::Instant::now();
    let j = flow::judge::judge(&image, &bodies);
    let t3 = std::time::Instant::now();
    let size: usize = image.code.iter().map(|r| r.bytes.len()).sum();
    let mut out = format!(
        "functions {} direct {} asks {} code {} decoded {} broken {} load {:?} scan {:?} judge {:?}\nneeds {}\ndispatched {}\nunknown {}\n",
        bodies.len(), j.direct, j.asks, size, bodies.iter().map(|b| b.decoded).sum::<usize>(),
        bodies.iter().filter(|b| b.broken).count(), t1-t0, t2-t1, t3-t2,
        j.needed, j.dispatched, j.unknown
    );
    for u in &j.uses {
        let f = &image.functions[u.function];
        let mut chain = String::new(); let mut at = u.function; for _ in 0..8 { match j.from.get(at).copied().flatten() { Some(p) => { let g = &image.functions[p]; chain += &format!(" <- {}", g.name.clone().unwrap_or(format!("{:x}", g.start))); at = p; } None => break } }
        out.push_str(&format!("  {:?} {:?} {:x} {} {}{}\n", u.standing, u.reason, f.start, f.name.as_deref().unwrap_or("?"), u.extensions, chain));
    }
    out
}
