//! How many batches of each tenant are worked at a time: a tenant whose provider is slow, or does not answer at all, fills
//! its own places and no others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The places of each tenant at one queue.
#[derive(Debug)]
pub struct TenantPlaces {
    for_each: usize,
    taken: Mutex<HashMap<String, usize>>,
    freed: Notify,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct TakenPlace {
    places: Arc<TenantPlaces>,
    tenant: String,
}

impl TenantPlaces {
    /// So many places for each tenant.
    pub fn new(for_each: usize) -> Arc<Self> {
        Arc::new(Self { for_each, taken: Mutex::default(), freed: Notify::new() })
    }

    /// Whether a tenant has all its places taken.
    pub fn are_full(&self, tenant: &str) -> bool {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(tenant)
            .is_some_and(|taken| *taken >= self.for_each)
    }

    /// Takes a place of a tenant, whether one is free or not.
    pub fn take(self: &Arc<Self>, tenant: &str) -> TakenPlace {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant.to_owned()).or_default() += 1;
        TakenPlace { places: self.clone(), tenant: tenant.to_owned() }
    }

    /// Returns when a place is given back.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl Drop for TakenPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.tenant);
            }
        }
        drop(taken);
        // If nobody listens at this moment, the next listener learns of it.
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenant_is_full_when_its_places_are_taken_and_others_are_not() {
        let places = TenantPlaces::new(2);
        let (first, second) = (places.take("a"), places.take("a"));
        assert_eq!(["a", "b"].map(|tenant| places.are_full(tenant)), [true, false]);
        drop(first);
        assert!(!places.are_full("a"));
        places.freed().await;
        drop(second);
        assert!(places.taken.lock().unwrap_or_else(PoisonError::into_inner).is_empty(), "nobody is kept for ever");
    }
}
