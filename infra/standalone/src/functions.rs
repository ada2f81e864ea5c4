//! The functions, ready to be called.

use platform::Ports;
use platform::queue::{QueueName, Received};
use platform::runner::{self, BatchReport};

use connect::Connections;

/// Every function over one set of ports.
#[derive(Clone)]
pub struct Functions {
    ports: Ports,
    /// Takes Bitrix24's events.
    pub bitrix24_webhook: bitrix24_webhook::Deps,
    /// Decides on them.
    pub bitrix24_events: bitrix24_events::Deps,
    /// Takes Slack's requests.
    pub slack_webhook: slack_webhook::Deps,
    /// Decides on Slack's events.
    pub slack_events: slack_events::Deps,
    /// Does what is asked for in Slack.
    pub slack_commands: slack_commands::Deps,
    /// Delivers to Bitrix24.
    pub bitrix24_delivery: bitrix24_delivery::Deps,
    /// Delivers to Slack.
    pub slack_delivery: slack_delivery::Deps,
    /// Shows the administrators' pages.
    pub admin: admin::Deps,
    /// Connects portals and workspaces.
    pub install: install::Deps,
    /// Answers programs.
    pub api: api::Deps,
    /// Does what is set for the clock.
    pub robots: robots::Deps,
    /// Finds what was never delivered.
    pub portal_sweep: portal_sweep::Deps,
    /// Keeps subscriptions right and notices silence.
    pub upkeep: upkeep::Deps,
    /// Takes Notion's webhooks.
    pub notion_webhook: notion_webhook::Deps,
    /// Makes records and their pages alike.
    pub record_sync: record_sync::Deps,
    /// Finds in Notion what no webhook told.
    pub notion_poll: notion_poll::Deps,
}

impl Functions {
    /// The functions on `ports`, with connections to providers, which reach us at `public_url` if that is known.
    pub fn new(ports: &Ports, connections: &Connections, public_url: Option<String>) -> Self {
        Self {
            ports: ports.clone(),
            bitrix24_webhook: ports.clone().into(),
            bitrix24_events: bitrix24_events::Deps::new(ports, connections.clone()),
            slack_webhook: ports.clone().into(),
            slack_events: slack_events::Deps::new(ports, connections.clone()),
            slack_commands: slack_commands::Deps::new(ports, connections.clone(), public_url.clone()),
            bitrix24_delivery: bitrix24_delivery::Deps::new(ports, connections.clone(), public_url.clone()),
            slack_delivery: slack_delivery::Deps::new(ports, connections.clone()),
            admin: admin::Deps::new(ports, connections.clone(), public_url.clone()),
            install: install::Deps::new(ports, connections.clone(), public_url.clone()),
            api: api::Deps::new(ports, connections.clone()),
            robots: robots::Deps::new(ports, connections.clone()),
            portal_sweep: portal_sweep::Deps::new(ports, connections.clone()),
            upkeep: upkeep::Deps::new(ports, connections.clone(), public_url),
            notion_webhook: ports.clone().into(),
            record_sync: record_sync::Deps::new(ports, connections.clone()),
            notion_poll: notion_poll::Deps::new(ports, connections.clone()),
        }
    }

    /// Works a batch of a queue with its function, and takes off the queue what is finished.
    pub async fn work(&self, name: QueueName, batch: Vec<Received>) -> BatchReport {
        let Ports { queue, clock, metrics, .. } = &self.ports;
        let (queue, clock, metrics) = (queue.as_ref(), clock.as_ref(), metrics.as_ref());
        let report = match name {
            QueueName::Bitrix24Events => {
                runner::run(queue, clock, metrics, name, batch, |jobs| {
                    bitrix24_events::handle(&self.bitrix24_events, jobs)
                })
                .await
            }
            QueueName::SlackDelivery => {
                runner::run(queue, clock, metrics, name, batch, |jobs| {
                    slack_delivery::handle(&self.slack_delivery, jobs)
                })
                .await
            }
            QueueName::SlackEvents => {
                runner::run(queue, clock, metrics, name, batch, |jobs| slack_events::handle(&self.slack_events, jobs))
                    .await
            }
            QueueName::SlackCommands => {
                runner::run(queue, clock, metrics, name, batch, |jobs| {
                    slack_commands::handle(&self.slack_commands, jobs)
                })
                .await
            }
            QueueName::Bitrix24Delivery => {
                runner::run(queue, clock, metrics, name, batch, |jobs| {
                    bitrix24_delivery::handle(&self.bitrix24_delivery, jobs)
                })
                .await
            }
            QueueName::RecordSync => {
                runner::run(queue, clock, metrics, name, batch, |jobs| record_sync::handle(&self.record_sync, jobs))
                    .await
            }
        };
        if let Err(error) = queue.delete(name, report.finished.clone()).await {
            // They come again when their lease ends, and their handlers find them done.
            tracing::warn!(%error, "finished messages could not be deleted");
        }
        report
    }
}
