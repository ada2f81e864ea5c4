//! This product's tables, queues and secrets in an emulator, without the stack around them: what an engine needs.

use std::collections::HashMap;

use aws::ResourceNames;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use aws_sdk_sqs::types::QueueAttributeName;
use jobs::queues;
use runtime::secrets::KEY_RING;
use runtime::store::Table;
use tenants::secret_names::{APPS, SLACK_SIGNING};

use crate::emulator::{Emulator, Policies};

/// An emulator with them. It ends when dropped.
pub struct Services {
    emulator: Emulator,
    /// What they are called.
    pub names: ResourceNames,
    /// The SDK's configuration for them.
    pub config: SdkConfig,
}

impl Services {
    /// Starts an emulator and creates them.
    pub async fn start() -> anyhow::Result<Self> {
        let emulator = Emulator::start(Policies::Ignored { endpoint: None }).await?;
        let config = emulator.config().await;
        let mut names = ResourceNames {
            tables: HashMap::new(),
            queues: HashMap::new(),
            dead: HashMap::new(),
            secret_prefix: "switchboard-test/".into(),
        };
        create_tables(&config, &mut names).await?;
        create_queues(&config, &mut names).await?;
        // As the stack makes them: without a value.
        let secrets = aws_sdk_secretsmanager::Client::new(&config);
        for name in [KEY_RING, APPS, SLACK_SIGNING] {
            secrets.create_secret().name(format!("{}{name}", names.secret_prefix)).send().await?;
        }
        Ok(Self { emulator, names, config })
    }

    /// Where the emulator is.
    pub fn url(&self) -> String {
        self.emulator.url()
    }
}

async fn create_tables(config: &SdkConfig, names: &mut ResourceNames) -> anyhow::Result<()> {
    let dynamodb = aws_sdk_dynamodb::Client::new(config);
    let attribute =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    for table in Table::ALL {
        let create = dynamodb
            .create_table()
            .table_name(table.name())
            .attribute_definitions(attribute("pk")?)
            .attribute_definitions(attribute("sk")?)
            .key_schema(key("pk", KeyType::Hash)?)
            .key_schema(key("sk", KeyType::Range)?)
            .billing_mode(BillingMode::PayPerRequest);
        create.send().await?;
        names.tables.insert(table, table.name().to_owned());
    }
    Ok(())
}

async fn create_queues(config: &SdkConfig, names: &mut ResourceNames) -> anyhow::Result<()> {
    let sqs = aws_sdk_sqs::Client::new(config);
    let create = async |name: String| {
        let create = sqs
            .create_queue()
            .queue_name(name)
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::VisibilityTimeout, "360");
        anyhow::Ok(create.send().await?.queue_url.unwrap_or_default())
    };
    for queue in queues::ALL {
        names.queues.insert(queue, create(format!("{}.fifo", queue.name())).await?);
        names.dead.insert(queue, create(format!("{}-dead.fifo", queue.name())).await?);
    }
    Ok(())
}
