//! What a portal allows: requests by its plan, and working time by method.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::bucket::Bucket;

/// Operating time that a method may use in ten minutes.
const LIMIT: f64 = 480.0;
/// It is counted in baskets of a minute, and ten of them count.
const BASKET: i64 = 60;
const BASKETS: i64 = 10;
/// What a call costs unless a test says otherwise.
const COST: f64 = 0.02;

/// A plan, as far as it limits requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortalPlan {
    /// 2 requests a second, 50 at once.
    Usual,
    /// 5 requests a second, 250 at once.
    Enterprise,
}

impl PortalPlan {
    /// The limit by its name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "usual" => Some(Self::Usual),
            "enterprise" => Some(Self::Enterprise),
            _ => None,
        }
    }

    pub(super) fn bucket(self) -> Bucket {
        match self {
            Self::Usual => Bucket::new(50.0, 2.0),
            Self::Enterprise => Bucket::new(250.0, 5.0),
        }
    }
}

/// Working time by caller and method: an application and a webhook have each their own.
#[derive(Debug, Default)]
pub(crate) struct OperatingTime {
    /// By the caller's kind and the method: seconds by the minute of the basket.
    spent: BTreeMap<(bool, String), BTreeMap<i64, f64>>,
    costs: BTreeMap<String, f64>,
}

fn basket(now: Timestamp) -> i64 {
    now.as_second().div_euclid(BASKET)
}

impl OperatingTime {
    pub(super) fn set_cost(&mut self, method: &str, seconds: f64) {
        self.costs.insert(method.to_lowercase(), seconds);
    }

    fn recent(&self, app: bool, method: &str, now: Timestamp) -> impl Iterator<Item = (&i64, &f64)> {
        let since = basket(now) - BASKETS + 1;
        self.spent.get(&(app, method.to_owned())).into_iter().flat_map(move |baskets| baskets.range(since..))
    }

    /// What a method has used of its limit.
    pub(super) fn of(&self, app: bool, method: &str, now: Timestamp) -> f64 {
        self.recent(app, method, now).map(|(_, seconds)| seconds).sum()
    }

    /// When the oldest basket that counts leaves: a part of the limit is free then.
    pub(super) fn resets_at(&self, app: bool, method: &str, now: Timestamp) -> i64 {
        let oldest = self.recent(app, method, now).map(|(minute, _)| *minute).next();
        (oldest.unwrap_or_else(|| basket(now)) + BASKETS) * BASKET
    }

    /// Whether a method has used up its limit. The call that crosses it is still worked.
    pub(super) fn is_used_up(&self, app: bool, method: &str, now: Timestamp) -> bool {
        self.of(app, method, now) >= LIMIT
    }

    pub(super) fn charge(&mut self, app: bool, method: &str, now: Timestamp) {
        let cost = self.costs.get(method).copied().unwrap_or(COST);
        let baskets = self.spent.entry((app, method.to_owned())).or_default();
        *baskets = baskets.split_off(&(basket(now) - BASKETS + 1));
        *baskets.entry(basket(now)).or_default() += cost;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_basket_frees_its_part_of_the_limit_when_it_leaves() {
        let mut time = OperatingTime::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        time.set_cost("crm.item.list", 240.0);
        for second in [30, 90] {
            assert!(!time.is_used_up(true, "crm.item.list", at(second)));
            time.charge(true, "crm.item.list", at(second));
        }
        assert!(time.is_used_up(true, "crm.item.list", at(599)));
        assert_eq!(time.resets_at(true, "crm.item.list", at(599)), 600);
        assert!(!time.is_used_up(true, "crm.item.list", at(600)), "the first basket has left");
        assert_eq!(time.resets_at(true, "crm.item.list", at(600)), 660);
        assert!(!time.is_used_up(false, "crm.item.list", at(100)), "a webhook has its own");
        assert!(!time.is_used_up(true, "crm.item.get", at(100)), "and so has another method");
    }
}
