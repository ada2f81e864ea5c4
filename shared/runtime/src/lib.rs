//! What Switchboard runs on, as ports, and what is written once over them.
//!
//! A port is a small trait with one adapter for each engine (`aws`, `sqlite`, `memory`) and one contract suite. The job
//! runner, decisions, the ledger, snapshots, the limiter and seals are written over the ports, so that an engine stays
//! thin. Nothing here knows a provider, HTTP or AWS.

#![warn(missing_docs)]

pub mod backend;
mod batch;
mod batch_watch;
pub mod calls;
pub mod claims;
pub mod client_address;
pub mod clock;
pub mod decision;
pub mod envelope;
mod falls;
pub mod generation;
pub mod id;
pub mod invoke;
pub mod job;
pub mod ledger;
pub mod limiter;
pub mod metrics;
pub mod outage;
pub mod private_files;
pub mod queue;
pub mod random;
pub mod reasons;
pub mod retry;
pub mod runner;
pub mod seal;
pub mod secrets;
pub mod settings_document;
pub mod snapshots;
pub mod store;
pub mod tenant_places;
mod unwinding;
pub mod work_time;

pub use backend::Backend;
pub use batch::Jobs;
pub use client_address::ClientAddress;
pub use clock::{Clock, ManualClock, SystemClock};
pub use decision::{Decision, DecisionError, Verdict};
pub use falls::SuspectTurn;
pub use generation::{Generation, RestoreMark};
pub use id::{DeliveryId, TenantId, TraceId};
pub use invoke::Invoke;
pub use job::{GroupKey, Job, JobOutcome, Outcomes, ReceivedJob};
pub use queue::{Queue, QueueName};
pub use runner::Runner;
pub use secrets::Secrets;
pub use settings_document::{SettingsError, UNREADABLE_SETTINGS};
pub use store::Store;
pub use tenant_places::TenantPlaces;
pub use work_time::WorkTime;
