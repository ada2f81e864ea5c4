//! The stack of `template.yaml` with the built binaries, deployed to an emulator.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws::ResourceNames;
use aws_config::SdkConfig;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use jobs::queues;
use runtime::store::Table;
use runtime::{Backend, QueueName, SystemClock};
use serde::Deserialize;
use serde_json::Value;

use crate::emulator::{Emulator, Policies};
use crate::gateway::Gateway;
use crate::policy::{self, pascal};

/// How long something may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// One of the stages in samconfig.toml.
const STAGE: &str = "dev";
/// The networks in which the simulators are.
const NETWORKS: &str = "127.0.0.1,::1,localhost";

/// A deployed stack. It goes when dropped.
pub struct Stack {
    emulator: Emulator,
    gateway: Gateway,
    stage: String,
    /// Physical names by those in the template.
    resources: HashMap<String, String>,
    /// What the stack says of itself.
    pub outputs: HashMap<String, String>,
    /// What the tables, queues and secrets are called.
    pub names: ResourceNames,
    /// The SDK's configuration of an administrator.
    pub config: SdkConfig,
}

#[derive(Deserialize)]
struct Deployed {
    outputs: HashMap<String, String>,
    resources: HashMap<String, String>,
}

impl Stack {
    /// Deploys the stack with these parameters to an emulator of its own that enforces the stack's policies.
    pub async fn deploy(parameters: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::deploy_to(Emulator::start(Policies::Enforced).await?, parameters).await
    }

    /// The same to a running emulator.
    pub async fn deploy_to(emulator: Emulator, parameters: &[(&str, &str)]) -> anyhow::Result<Self> {
        let (gateway, stage) = (Gateway::start().await?, STAGE.to_owned());
        let config = emulator.config().await;
        let mut stack = Self {
            names: names(&HashMap::new(), &stage),
            resources: HashMap::new(),
            outputs: HashMap::new(),
            emulator,
            gateway,
            stage,
            config,
        };
        stack.update(parameters).await?;
        let api = stack.resource("Api")?.to_owned();
        stack.gateway.lead_to(&api, stack.emulator.port())?;
        Ok(stack)
    }

    /// Deploys again, with these parameters and otherwise their defaults.
    pub async fn update(&mut self, parameters: &[(&str, &str)]) -> anyhow::Result<()> {
        let url = self.gateway.url();
        let own = [("PublicUrl", url.as_str()), ("AllowedNetworks", NETWORKS)];
        let pairs: Vec<_> = own.iter().chain(parameters).map(|(name, value)| format!("{name}={value}")).collect();
        let deployed: Deployed = serde_json::from_str(&self.emulator.stack("deploy", &self.stage, &pairs).await?)?;
        self.names = names(&deployed.resources, &self.stage);
        (self.outputs, self.resources) = (deployed.outputs, deployed.resources);
        Ok(())
    }

    /// Where providers and browsers reach it.
    pub fn url(&self) -> String {
        self.gateway.url()
    }

    /// What a resource is called in the emulator, by its name in the template.
    pub fn resource(&self, name: &str) -> anyhow::Result<&str> {
        self.resources.get(name).map(String::as_str).with_context(|| format!("the stack has no {name}"))
    }

    /// The ports of the deployment, as an operator has them.
    pub fn backend(&self) -> Backend {
        aws::ports_over(&self.config, self.names.clone(), Arc::new(SystemClock))
    }

    /// Invokes a function through its alias, by the name of its binary, and returns its answer.
    pub async fn invoke(&self, binary: &str, event: &Value) -> anyhow::Result<Value> {
        let answer =
            self.emulator.stack("invoke", &self.stage, &[policy::function(binary)?, event.to_string()]).await?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// How the version of a function that is live is configured, by the name of its binary.
    pub async fn configuration(&self, binary: &str) -> anyhow::Result<Value> {
        let described = self.emulator.stack("configuration", &self.stage, &[policy::function(binary)?]).await?;
        Ok(serde_json::from_str(&described)?)
    }

    /// The lines that a function has logged, by the name of its binary.
    pub async fn log(&self, binary: &str) -> anyhow::Result<Vec<String>> {
        Ok(self.whole_log(binary).await?.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect())
    }

    /// How long each of a function's runs took in milliseconds, by the name of its binary.
    pub async fn runs(&self, binary: &str) -> anyhow::Result<Vec<f64>> {
        let log = self.whole_log(binary).await?;
        let took = |line: &str| line.split_once("\tDuration: ")?.1.split(' ').next()?.parse().ok();
        Ok(log.lines().filter(|line| line.starts_with("REPORT ")).filter_map(took).collect())
    }

    async fn whole_log(&self, binary: &str) -> anyhow::Result<String> {
        self.emulator.stack("log", &self.stage, &[policy::function(binary)?]).await
    }

    /// Waits until `done`. The event source mappings and schedules of the stack work meanwhile.
    pub async fn until(&self, what: &str, done: impl AsyncFn() -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while !done().await {
            let (limit, said) = (PATIENCE.as_secs(), || self.emulator.said());
            ensure!(
                began.elapsed() < PATIENCE,
                "{what} did not come within {limit} seconds. The emulator says:\n{}",
                said()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// How many dead letters of a queue can be received.
    pub async fn dead_letters(&self, queue: QueueName) -> anyhow::Result<usize> {
        Ok(self.attribute(&self.names.dead[&queue], QueueAttributeName::ApproximateNumberOfMessages).await?.parse()?)
    }

    /// How many messages of a queue are not finished, those that are out included.
    pub async fn waiting(&self, queue: QueueName) -> anyhow::Result<usize> {
        let mut waiting = 0;
        for part in [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ] {
            waiting += self.attribute(&self.names.queues[&queue], part).await?.parse::<usize>()?;
        }
        Ok(waiting)
    }

    async fn attribute(&self, queue: &str, name: QueueAttributeName) -> anyhow::Result<String> {
        let asked = self.sqs().get_queue_attributes().queue_url(queue).attribute_names(name.clone()).send().await?;
        let value = asked.attributes().and_then(|attributes| attributes.get(&name)).cloned();
        value.with_context(|| format!("SQS does not name {} of {queue}", name.as_str()))
    }

    /// Moves all dead letters of a queue back as they are, as the console of SQS does; how many.
    pub async fn redrive(&self, queue: QueueName) -> anyhow::Result<usize> {
        let (sqs, dead, own) = (self.sqs(), &self.names.dead[&queue], &self.names.queues[&queue]);
        let mut moved = 0;
        loop {
            let received = sqs
                .receive_message()
                .queue_url(dead)
                .max_number_of_messages(10)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .send()
                .await?;
            let letters = received.messages.unwrap_or_default();
            if letters.is_empty() {
                return Ok(moved);
            }
            for letter in letters {
                let kept = |name| letter.attributes().and_then(|attributes| attributes.get(&name)).cloned();
                sqs.send_message()
                    .queue_url(own)
                    .set_message_body(letter.body.clone())
                    .set_message_group_id(kept(MessageSystemAttributeName::MessageGroupId))
                    .set_message_deduplication_id(kept(MessageSystemAttributeName::MessageDeduplicationId))
                    .send()
                    .await?;
                sqs.delete_message().queue_url(dead).set_receipt_handle(letter.receipt_handle).send().await?;
                moved += 1;
            }
        }
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    /// Notes what the functions have asked AWS for, for the test of what the policies grant, and fails if one was refused.
    pub async fn note_grants(&self) -> anyhow::Result<()> {
        let used = self.emulator.stack("used", &self.stage, &[]).await?;
        let used: BTreeSet<(String, String, String)> = serde_json::from_str(&used)?;
        let used = used.into_iter().map(|(name, action, on)| anyhow::Ok((policy::binary(&name)?, action, on)));
        let mut used = used.collect::<anyhow::Result<BTreeSet<_>>>()?;
        // The emulator takes messages for a function without its credentials. On AWS a mapping needs these.
        for queue in queues::ALL {
            for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"] {
                used.insert((queue.name().to_owned(), action.to_owned(), pascal(queue.name())));
            }
        }
        policy::note(&used)
    }

    /// Runs a script in `scripts` with the stage and these arguments, as an administrator does, and returns what it prints.
    pub async fn run(&self, script: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let arguments: Vec<_> = [self.stage.as_str()].iter().chain(arguments).map(|text| (*text).to_owned()).collect();
        self.emulator.python(&format!("scripts/{script}"), &arguments).await
    }

    /// Asks AWS for something with the credentials of a function that has run, by the name of its binary. Returns the code of the
    /// refusal; nothing if there was none.
    pub async fn ask_as(
        &self,
        binary: &str,
        service: &str,
        operation: &str,
        request: &Value,
    ) -> anyhow::Result<String> {
        let others = [policy::function(binary)?, service.to_owned(), operation.to_owned(), request.to_string()];
        Ok(self.emulator.stack("ask", &self.stage, &others).await?.trim().to_owned())
    }

    /// Deletes the stack, and returns what remains of it: kinds, each with names.
    pub async fn remove(&self) -> anyhow::Result<HashMap<String, Vec<String>>> {
        Ok(serde_json::from_str(&self.emulator.stack("remove", &self.stage, &[]).await?)?)
    }
}

fn names(resources: &HashMap<String, String>, stage: &str) -> ResourceNames {
    let named = |name: String| resources.get(&name).cloned().unwrap_or_default();
    ResourceNames {
        tables: Table::ALL.into_iter().map(|table| (table, named(pascal(table.name())))).collect(),
        queues: queues::ALL.into_iter().map(|queue| (queue, named(pascal(queue.name())))).collect(),
        dead: queues::ALL.into_iter().map(|queue| (queue, named(format!("{}Dead", pascal(queue.name()))))).collect(),
        secret_prefix: format!("switchboard-{stage}/"),
    }
}
