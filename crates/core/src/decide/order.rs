//! Which of several changes comes first, where only one of them can be kept.
//!
//! Does not decide whether any is to be kept.

use super::evidence::DAY_TO_DAY;
use super::prior::prior;
use super::recommend::Recommendation;

/// Gains that differ by less are the same: two benchmarks that each err by what one day differs from the
/// next may show that much, and twice that is no more than chance.
const SAME: f64 = 2.0 * std::f64::consts::SQRT_2 * DAY_TO_DAY;

/// Recommendations with the surest gain first. Of those whose gains cannot be told apart the one comes first of
/// which the catalogue expects most: what was measured elsewhere then knows more.
pub fn surest_first(mut left: Vec<Recommendation>) -> Vec<Recommendation> {
    let surest = |it: &Recommendation| it.gain.quantile(0.05);
    let mut found = Vec::with_capacity(left.len());
    while let Some(most) = left.iter().map(surest).max_by(f64::total_cmp) {
        let expected = |it: &Recommendation| prior(&it.change).0.belief.mean;
        let same = left.iter().enumerate().filter(|(_, it)| surest(it) >= most - SAME);
        let order = |a: &Recommendation, b: &Recommendation| {
            expected(a).total_cmp(&expected(b)).then(surest(a).total_cmp(&surest(b)))
        };
        let Some((at, _)) = same.max_by(|(_, a), (_, b)| order(a, b)) else { break };
        found.push(left.remove(at));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::recommend::tests::measured;

    #[test]
    fn what_cannot_be_told_apart_is_ordered_by_what_is_known_from_elsewhere() {
        let alone = measured("openssl", &[("c-opt-level", "3")], 0.034);
        let both =
            |gain| measured("openssl", &[("c-opt-level", "3"), ("c-march", "x86-64-v3")], gain);
        let native = measured("openssl", &[("c-march", "native")], 0.033);
        let order = |list: &[&Recommendation]| -> Vec<String> {
            let list = list.iter().map(|it| (*it).clone()).collect();
            surest_first(list).iter().map(|it| it.change.to_string()).collect()
        };
        let first = |list: &[&Recommendation]| order(list).swap_remove(0);
        assert!(first(&[&alone, &native, &both(0.033)]).contains("x86-64-v3"));
        assert_eq!(first(&[&both(0.010), &native, &alone]), alone.change.to_string());
        assert_eq!(order(&[&alone, &native, &both(0.033)]).len(), 3);
        assert_eq!(surest_first(Vec::new()), []);
    }
}
