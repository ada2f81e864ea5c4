//! The names of this deployment's tables, queues and secrets, from environment variables.

use std::collections::HashMap;

use runtime::QueueName;
use runtime::store::Table;

/// The names. `template.yaml` gives them to each function as environment variables.
#[derive(Debug, Clone)]
pub struct ResourceNames {
    /// The DynamoDB table of each table.
    pub tables: HashMap<Table, String>,
    /// The SQS URL of each queue.
    pub queues: HashMap<QueueName, String>,
    /// The SQS URL of each queue's dead letters.
    pub dead: HashMap<QueueName, String>,
    /// What comes before a secret's name in Secrets Manager: `switchboard/`.
    pub secret_prefix: String,
}

impl ResourceNames {
    /// Reads `TABLE_PORTALS`, `QUEUE_SLACK_DELIVERY`, `DEAD_SLACK_DELIVERY`, `SECRET_PREFIX` and so on. A
    /// function has the names that it may use; the others stay unknown.
    pub fn from_env() -> Self {
        let table = |name: &str| std::env::var(variable("TABLE", name)).ok().filter(|value| !value.is_empty());
        Self {
            tables: Table::ALL.into_iter().filter_map(|known| Some((known, table(known.name())?))).collect(),
            queues: queues("QUEUE_"),
            dead: queues("DEAD_"),
            secret_prefix: std::env::var("SECRET_PREFIX").unwrap_or_else(|_| "switchboard/".into()),
        }
    }

    pub(crate) fn table(&self, table: Table) -> Result<&str, String> {
        let missing =
            || format!("this function has no table {}; set TABLE_{}", table.name(), table.name().to_uppercase());
        self.tables.get(&table).map(String::as_str).ok_or_else(missing)
    }

    pub(crate) fn queue(&self, queue: QueueName) -> Result<&str, String> {
        self.queues.get(&queue).map(String::as_str).ok_or_else(|| unknown("QUEUE", queue))
    }

    pub(crate) fn dead(&self, queue: QueueName) -> Result<&str, String> {
        self.dead.get(&queue).map(String::as_str).ok_or_else(|| unknown("DEAD", queue))
    }
}

/// The queues that the environment names, whichever they are.
fn queues(prefix: &str) -> HashMap<QueueName, String> {
    let named = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let queue = name.strip_prefix(prefix)?.to_lowercase().replace('_', "-");
        (!value.is_empty()).then(|| (QueueName::read(&queue), value))
    });
    named.collect()
}

fn variable(kind: &str, name: &str) -> String {
    format!("{kind}_{}", name.to_uppercase().replace('-', "_"))
}

fn unknown(kind: &str, queue: QueueName) -> String {
    format!("this function has no queue {}; set {}", queue.name(), variable(kind, queue.name()))
}
