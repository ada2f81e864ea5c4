//! The ports together, as an engine hands them to the functions.

use std::sync::Arc;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::secrets::Secrets;
use crate::store::Store;

/// What a function runs on.
#[derive(Clone)]
pub struct Ports {
    /// Keeps items.
    pub store: Arc<dyn Store>,
    /// Carries jobs.
    pub queue: Arc<dyn Queue>,
    /// Gives out secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Takes counts.
    pub metrics: Arc<dyn Metrics>,
}
