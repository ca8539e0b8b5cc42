//! Tiers of packages by their peaks, and which may run together.
//!
//! The reference host gives 14 GB to a heavy package, 6 to a medium one and 2 to a light one, of 21
//! for all: two thirds, two sevenths and two twenty-firsts of the budget, whatever the host. Does not
//! know how a peak was predicted; the governor admits by units and needs no tiers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// How much of the machine a package takes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Many run together.
    Light,
    /// A few run together.
    Medium,
    /// One at a time.
    Heavy,
}

/// Peaks up to which a package belongs to a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TierLimits {
    /// Memory that all packages may take.
    pub budget: Bytes,
    /// A heavy package should not be above this; one that is, leaves no room for others.
    pub heavy: Bytes,
    /// Up to here it is medium.
    pub medium: Bytes,
    /// Up to here it is light.
    pub light: Bytes,
}

impl Tier {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Medium => "medium",
            Self::Heavy => "heavy",
        }
    }
}

impl TierLimits {
    /// The limits of a budget.
    pub fn of(budget: Bytes) -> Self {
        let part = |numerator: f64, denominator: f64| budget.scaled(numerator / denominator);
        Self { budget, heavy: part(2.0, 3.0), medium: part(2.0, 7.0), light: part(2.0, 21.0) }
    }

    /// How the limits come about.
    pub fn because(&self) -> String {
        format!(
            "light up to {} (2/21 of {}), medium up to {} (2/7), heavy beyond; two thirds are {}",
            self.light, self.budget, self.medium, self.heavy
        )
    }

    /// The tier of a peak.
    pub fn tier(&self, peak: Bytes) -> Tier {
        if peak <= self.light {
            Tier::Light
        } else if peak <= self.medium {
            Tier::Medium
        } else {
            Tier::Heavy
        }
    }
}

/// Packages that may run together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BudgetRow {
    /// Heavy ones.
    pub heavy: usize,
    /// Medium ones.
    pub medium: usize,
    /// Light ones.
    pub light: usize,
    /// What they take together at most: the largest ones of each tier.
    pub total: Bytes,
    /// What is left of the budget.
    pub margin: Bytes,
}

/// Which may run together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BudgetTable {
    /// The limits of the tiers.
    pub limits: TierLimits,
    /// Heavy, medium and light packages of the plan.
    pub packages: [usize; 3],
    /// Combinations to which nothing can be added, heaviest first.
    pub rows: Vec<BudgetRow>,
    /// Packages whose peak alone is above the budget.
    pub too_large: usize,
}

/// Most rows that are shown.
const MOST_ROWS: usize = 12;

/// The combinations of packages with these peaks that fit into a budget.
pub fn budget_table(budget: Bytes, peaks: &[Bytes]) -> BudgetTable {
    let limits = TierLimits::of(budget);
    let of = |tier: Tier| {
        let mut own: Vec<Bytes> = peaks
            .iter()
            .copied()
            .filter(|peak| *peak <= budget && limits.tier(*peak) == tier)
            .collect();
        own.sort_unstable_by(|a, b| b.cmp(a));
        sums(&own)
    };
    let (heavy, medium, light) = (of(Tier::Heavy), of(Tier::Medium), of(Tier::Light));
    let mut rows: Vec<BudgetRow> = Vec::new();
    for (h, heavy_sum) in heavy.iter().enumerate().rev() {
        for (m, medium_sum) in medium.iter().enumerate().rev() {
            let base = heavy_sum.saturating_add(*medium_sum);
            if base > budget {
                continue;
            }
            // As many light ones as fit.
            let fits = |sum: &Bytes| base.saturating_add(*sum) <= budget;
            let l = light.iter().rposition(fits).unwrap_or(0);
            let total = base.saturating_add(light.get(l).copied().unwrap_or_default());
            let row = BudgetRow {
                heavy: h,
                medium: m,
                light: l,
                total,
                margin: budget.saturating_sub(total),
            };
            let within =
                |other: &BudgetRow| other.heavy >= h && other.medium >= m && other.light >= l;
            if h + m + l > 0 && !rows.iter().any(within) {
                rows.push(row);
            }
        }
    }
    rows.truncate(MOST_ROWS);
    let packages = [heavy.len() - 1, medium.len() - 1, light.len() - 1];
    let too_large = peaks.iter().filter(|peak| **peak > budget).count();
    BudgetTable { limits, packages, rows, too_large }
}

/// What the largest none, one, two, … take together.
fn sums(peaks: &[Bytes]) -> Vec<Bytes> {
    let mut sums = vec![Bytes::ZERO];
    for peak in peaks {
        let last = sums.last().copied().unwrap_or_default();
        sums.push(last.saturating_add(*peak));
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_reference_host_gets_the_documented_limits() {
        let limits = TierLimits::of(Bytes::gib(21));
        assert_eq!(
            (limits.heavy, limits.medium, limits.light),
            (Bytes::gib(14), Bytes::gib(6), Bytes::gib(2))
        );
        assert_eq!(limits.tier(Bytes::gib(2)), Tier::Light);
        assert_eq!(limits.tier(Bytes::gib(20)), Tier::Heavy);
    }

    #[test]
    fn what_fits_together_is_listed_with_its_margin() {
        let peaks = [14, 6, 6, 6, 2, 2].map(Bytes::gib);
        let table = budget_table(Bytes::gib(21), &peaks);
        let rows: Vec<_> =
            table.rows.iter().map(|r| (r.heavy, r.medium, r.light, r.margin)).collect();
        let gib = Bytes::gib;
        assert_eq!(
            rows,
            [(1, 1, 0, gib(1)), (1, 0, 2, gib(3)), (0, 3, 1, gib(1)), (0, 2, 2, gib(5))]
        );
        assert_eq!(table.packages, [1, 3, 2]);
    }

    proptest! {
        #[test]
        fn no_row_is_above_the_budget(peaks in prop::collection::vec(0_u64..40, 0..12), budget in 1_u64..40) {
            let peaks: Vec<_> = peaks.into_iter().map(Bytes::gib).collect();
            let table = budget_table(Bytes::gib(budget), &peaks);
            prop_assert!(table.rows.iter().all(|row| row.total <= Bytes::gib(budget)));
            let known: usize = table.packages.iter().sum();
            prop_assert_eq!(known + table.too_large, peaks.len());
        }
    }
}
