//! All functions with their dependencies, ready to be called in this process.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use clients::Connections;
use futures::FutureExt;
use jobs::queues;
use runtime::metrics::Metrics;
use runtime::queue::{QueueName, Received};
use runtime::runner::BatchReport;
use runtime::{Backend, Invoke, Runner, SuspectTurn, WorkTime};

/// Every function over one set of ports.
#[derive(Clone)]
pub struct Functions {
    /// What works each queue's batches.
    workers: HashMap<QueueName, Runner>,
    /// Accepts Bitrix24's events.
    pub bitrix24_webhook: bitrix24_webhook::Deps,
    /// Decides on them.
    pub bitrix24_events: bitrix24_events::Deps,
    /// Accepts Slack's requests.
    pub slack_webhook: slack_webhook::Deps,
    /// Decides on Slack's events.
    pub slack_events: slack_events::Deps,
    /// Does what people ask for in Slack.
    pub slack_commands: slack_commands::Deps,
    /// Delivers to Bitrix24.
    pub bitrix24_delivery: bitrix24_delivery::Deps,
    /// Delivers to Slack.
    pub slack_delivery: slack_delivery::Deps,
    /// Shows the administrators' pages.
    pub admin: admin::Deps,
    /// Connects portals and workspaces.
    pub install: install::Deps,
    /// Answers API requests.
    pub api: api::Deps,
    /// Runs what tenants have scheduled.
    pub schedules: schedules::Deps,
    /// Finds the events that were never delivered.
    pub portal_sweep: portal_sweep::Deps,
    /// Renews a token that a worker found about to expire.
    pub token_renewal: token_renewal::Deps,
    /// Keeps subscriptions complete and notices silence.
    pub upkeep: upkeep::Deps,
    /// Accepts Notion's webhooks.
    pub notion_webhook: notion_webhook::Deps,
    /// Syncs records and their pages.
    pub record_sync: record_sync::Deps,
    /// Does long work for a tenant, a slice at a time.
    pub tenant_jobs: tenant_jobs::Deps,
    /// Finds edits in Notion that no webhook reported.
    pub notion_poll: notion_poll::Deps,
}

impl Functions {
    /// The functions on `backend`, with connections to providers, which reach us at `public_url` if that is known.
    pub fn new(backend: &Backend, connections: &Connections, public_url: Option<&str>) -> Self {
        Self::with(|_| (backend.clone(), connections.clone()), |_, function| function, public_url)
    }

    /// The functions, each with the ports and connections that `of` returns for its name; `called` wraps the function
    /// that renews tokens for it.
    pub fn with(
        of: impl Fn(&'static str) -> (Backend, Connections),
        called: impl Fn(&'static str, Arc<dyn Invoke>) -> Arc<dyn Invoke>,
        public_url: Option<&str>,
    ) -> Self {
        let backend = |name| of(name).0;
        let (renewing, keyed) = of("token-renewal");
        let token_renewal = token_renewal::Deps::new(&renewing, keyed);
        // Most functions may not read the keys of our applications: `token-renewal` renews tokens for them.
        let of_worker = |name| {
            let (backend, connections): (Backend, Connections) = of(name);
            (backend, connections.renewing_through(called(name, Arc::new(token_renewal.clone()))))
        };
        // A function with its dependencies.
        macro_rules! made {
            ($name:literal, $function:ident) => {{
                let (backend, connections) = of_worker($name);
                $function::Deps::new(&backend, connections)
            }};
            ($name:literal, $function:ident, reached) => {{
                let (backend, connections) = of_worker($name);
                $function::Deps::new(&backend, connections, public_url.map(str::to_owned))
            }};
            ($name:literal, $function:ident, reached, with keys) => {{
                let (backend, connections) = of($name);
                $function::Deps::new(&backend, connections, public_url.map(str::to_owned))
            }};
        }
        let turn = SuspectTurn::default();
        let runner = |queue: QueueName| Runner::new(backend(queue.name()), turn.clone());
        Self {
            workers: queues::ALL.into_iter().map(|queue| (queue, runner(queue))).collect(),
            bitrix24_webhook: backend("bitrix24-webhook").into(),
            bitrix24_events: made!("bitrix24-events", bitrix24_events),
            slack_webhook: backend("slack-webhook").into(),
            slack_events: made!("slack-events", slack_events),
            slack_commands: made!("slack-commands", slack_commands, reached),
            bitrix24_delivery: made!("bitrix24-delivery", bitrix24_delivery, reached),
            slack_delivery: made!("slack-delivery", slack_delivery),
            admin: made!("admin", admin, reached, with keys),
            install: made!("install", install, reached, with keys),
            api: made!("api", api),
            schedules: made!("schedules", schedules),
            portal_sweep: made!("portal-sweep", portal_sweep),
            upkeep: made!("upkeep", upkeep, reached, with keys),
            notion_webhook: backend("notion-webhook").into(),
            record_sync: made!("record-sync", record_sync),
            tenant_jobs: backend("tenant-jobs").into(),
            notion_poll: made!("notion-poll", notion_poll),
            token_renewal,
        }
    }

    /// Where the functions of webhooks count.
    pub fn metrics(&self) -> &dyn Metrics {
        self.workers[&queues::BITRIX24_EVENTS].backend().metrics.as_ref()
    }

    /// Works a batch of a queue with its function, deletes the finished messages, and gives back what is left, also if the
    /// function falls.
    pub async fn work(&self, name: QueueName, batch: Vec<Received>) -> BatchReport {
        let receipts = batch.iter().map(|received| received.receipt.clone()).collect();
        let worked = AssertUnwindSafe(self.work_through(name, batch)).catch_unwind().await;
        self.workers[&name].backend().queue.give_back(name, receipts).await;
        worked.unwrap_or_else(|fall| resume_unwind(fall))
    }

    async fn work_through(&self, name: QueueName, batch: Vec<Received>) -> BatchReport {
        let runner = &self.workers[&name];
        macro_rules! worked {
            ($function:ident) => {
                runner.run(WorkTime::default(), batch, |jobs| $function::handle(&self.$function, jobs)).await
            };
        }
        let report = match name {
            queues::BITRIX24_EVENTS => worked!(bitrix24_events),
            queues::SLACK_DELIVERY => worked!(slack_delivery),
            queues::SLACK_EVENTS => worked!(slack_events),
            queues::SLACK_COMMANDS => worked!(slack_commands),
            queues::BITRIX24_DELIVERY => worked!(bitrix24_delivery),
            queues::RECORD_SYNC => worked!(record_sync),
            queues::TENANT_JOBS => worked!(tenant_jobs),
            unknown => {
                tracing::error!(queue = unknown.name(), "no function works this queue");
                BatchReport {
                    failed: batch.into_iter().map(|received| received.id).collect(),
                    ..BatchReport::default()
                }
            }
        };
        if let Err(error) = runner.backend().queue.delete(name, report.finished.clone()).await {
            // They are deleted when writing works again; if they are handed out before, their handlers find them done.
            tracing::warn!(%error, "finished messages could not be deleted");
        }
        report
    }
}
