//! The services behind HTTP, with this product's tables, queues and secrets in them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ::aws::ResourceNames;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use aws_sdk_sqs::types::QueueAttributeName;
use bytes::Bytes;
use http::{Request, Response};
use jobs::queues;
use runtime::QueueName;
use runtime::secrets::KEY_RING;
use runtime::store::Table;
use serde_json::Value;
use simulators::http::Server;
use tenants::secret_names::{APPS, SLACK_SIGNING};
use winterbaume_core::{MockRequest, MockService};
use winterbaume_dynamodb::DynamoDbService;
use winterbaume_secretsmanager::SecretsManagerService;
use winterbaume_sqs::SqsService;

use crate::Function;
use crate::policy::{Guard, pascal};

/// The region that everything is in.
pub(crate) const REGION: &str = "us-east-1";

/// AWS in process. It stops when dropped.
pub struct Cloud {
    server: Server,
    groups: Groups,
    guard: Arc<Guard>,
    traced: Arc<AtomicUsize>,
    charged: Charged,
    callable: Callable,
    /// What the tables and queues are called here.
    pub names: ResourceNames,
    /// The SDK's configuration for it.
    pub config: SdkConfig,
    public_url: String,
    notion_url: String,
    auth_urls: (String, String),
}

/// The group of each message, by its body: the emulated SQS does not give it back.
type Groups = Arc<Mutex<HashMap<String, String>>>;

/// The functions that others may call, by name.
type Callable = Arc<Mutex<HashMap<String, Weak<Function>>>>;

/// Calls and units, by operation.
type Charged = Arc<Mutex<BTreeMap<String, (u64, u64)>>>;

struct Services {
    /// One at a time: the emulator does not check a condition and write in one step.
    dynamodb: tokio::sync::Mutex<DynamoDbService>,
    sqs: SqsService,
    secrets: SecretsManagerService,
    groups: Groups,
    guard: Arc<Guard>,
    traced: Arc<AtomicUsize>,
    charged: Charged,
    callable: Callable,
}

impl Drop for Cloud {
    /// A function that asked for what its policy does not grant fails its test, whatever else came of it.
    fn drop(&mut self) {
        let refused = self.guard.refused();
        assert!(
            refused.is_empty() || std::thread::panicking(),
            "the policies of template.yaml do not grant: {refused:?}"
        );
    }
}

impl Cloud {
    /// Starts it, with the tables and queues of `template.yaml`.
    pub async fn start() -> anyhow::Result<Self> {
        let (traced, charged) = (Arc::<AtomicUsize>::default(), Charged::default());
        let (groups, guard, callable) = (Groups::default(), Arc::new(Guard::new()), Callable::default());
        let services = Arc::new(Services {
            dynamodb: tokio::sync::Mutex::new(DynamoDbService::new()),
            sqs: SqsService::new(),
            secrets: SecretsManagerService::new(),
            groups: groups.clone(),
            guard: guard.clone(),
            traced: traced.clone(),
            charged: charged.clone(),
            callable: callable.clone(),
        });
        let server = Server::start(0, move |request| {
            let services = services.clone();
            async move { Ok(answer(&services, request).await) }
        })
        .await?;
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(server.url())
            .test_credentials()
            .load()
            .await;
        let names = create(&config).await?;
        Ok(Self {
            server,
            groups,
            guard,
            traced,
            charged,
            callable,
            names,
            config,
            public_url: String::new(),
            notion_url: String::new(),
            auth_urls: Default::default(),
        })
    }

    /// Sets where providers reach the functions that are started from now on.
    pub fn reach_at(&mut self, url: &str) {
        url.clone_into(&mut self.public_url);
    }

    /// Sets what stands for Notion's API for the functions that are started from now on.
    pub fn notion_at(&mut self, url: &str) {
        url.clone_into(&mut self.notion_url);
    }

    /// Sets what stands for Bitrix24's authorization servers, west and east, for the functions that are started from now on.
    pub fn authorize_at(&mut self, west: &str, east: &str) {
        self.auth_urls = (west.to_owned(), east.to_owned());
    }

    /// Lets functions call this one by its name, if their policy does.
    pub fn let_be_called(&self, name: &str, function: &Arc<Function>) {
        self.callable.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::downgrade(function));
    }

    /// The address of all services.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Every variable that `template.yaml` may give a function, with its value here.
    pub(crate) fn variables(&self, slack_api: &str) -> HashMap<String, String> {
        let variable = |kind: &str, name: &str| format!("{kind}_{}", name.to_uppercase().replace('-', "_"));
        let ResourceNames { tables, queues, dead, secret_prefix } = &self.names;
        let tables = tables.iter().map(|(table, name)| (variable("TABLE", table.name()), name.clone()));
        let queues = queues.iter().map(|(queue, url)| (variable("QUEUE", queue.name()), url.clone()));
        let dead = dead.iter().map(|(queue, url)| (variable("DEAD", queue.name()), url.clone()));
        let others = [
            ("SECRET_PREFIX", secret_prefix.as_str()),
            ("SLACK_API_URL", slack_api),
            ("TOKEN_RENEWAL_FUNCTION", "token-renewal"),
            ("LOG_LEVEL", "info"),
            ("STAGE", "test"),
            ("PUBLIC_URL", self.public_url.as_str()),
            ("NOTION_API_URL", self.notion_url.as_str()),
            ("BITRIX24_AUTH_WEST_URL", self.auth_urls.0.as_str()),
            ("BITRIX24_AUTH_EAST_URL", self.auth_urls.1.as_str()),
            // The simulators are on this machine.
            ("ALLOWED_NETWORKS", "127.0.0.1,::1,localhost"),
        ];
        let others = others.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        tables.chain(queues).chain(dead).chain(others).collect()
    }

    /// Moves a dead letter with this word in it back to its queue as it lies, as a redrive of the console does; whether there
    /// was one.
    pub async fn move_back(&self, queue: QueueName, word: &str) -> anyhow::Result<bool> {
        let sqs = aws_sdk_sqs::Client::new(&self.config);
        let (dead, own) = (&self.names.dead[&queue], &self.names.queues[&queue]);
        let received =
            sqs.receive_message().queue_url(dead).max_number_of_messages(10).visibility_timeout(1).send().await?;
        for message in received.messages.unwrap_or_default() {
            let body = message.body.clone().unwrap_or_default();
            if body.contains(word) {
                // The group and the id for deduplication stay what they were in the dead-letter queue.
                let group = self.group_of(&body);
                let send = sqs.send_message().queue_url(own).message_body(&body).message_group_id(&group);
                send.message_deduplication_id(&group).send().await?;
                sqs.delete_message().queue_url(dead).set_receipt_handle(message.receipt_handle).send().await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The calls so far, by operation, with the units that AWS would charge for: a kilobyte written (twice within a
    /// transaction), four read, a request.
    pub fn charged(&self) -> BTreeMap<String, (u64, u64)> {
        self.charged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many messages were sent under an X-Ray trace.
    pub fn traced_sends(&self) -> usize {
        self.traced.load(Ordering::Relaxed)
    }

    /// Notes what an event source mapping does in the name of its function.
    pub(crate) fn note_mapping(&self, queue: QueueName) {
        for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"] {
            self.guard.note(queue.name(), action, &pascal(queue.name()));
        }
    }

    /// The group under which a message with this body was sent.
    pub fn group_of(&self, body: &str) -> String {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).get(body).cloned().unwrap_or_default()
    }
}

/// Lambda's `Invoke`, which waits for the answer.
async fn call(services: &Services, called: &str, request: &Request<Bytes>) -> Response<Bytes> {
    let authorization = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let authorization = authorization.unwrap_or_default();
    let is_signed = authorization.contains("/lambda/aws4_request") && request.headers().contains_key("x-amz-date");
    if !is_signed || !services.guard.allows_call(authorization, called) {
        let text = "not signed for Lambda, or not granted by template.yaml";
        return simulators::http::answer(403, &serde_json::json!({"Message": text}));
    }
    let known = services.callable.lock().unwrap_or_else(PoisonError::into_inner).get(called).and_then(Weak::upgrade);
    let (Some(function), Some("Qualifier=live")) = (known, request.uri().query()) else {
        return simulators::http::answer(404, &serde_json::json!({"Message": "Function not found"}));
    };
    match function.invoke(serde_json::from_slice(request.body()).unwrap_or_default()).await {
        Ok(answered) => simulators::http::answer(200, &answered),
        Err(error) => {
            let mut response = simulators::http::answer(200, &serde_json::json!({"errorMessage": error.to_string()}));
            response.headers_mut().insert("x-amz-function-error", http::HeaderValue::from_static("Unhandled"));
            response
        }
    }
}

async fn answer(services: &Services, request: Request<Bytes>) -> Response<Bytes> {
    let called = request.uri().path().strip_prefix("/2015-03-31/functions/");
    if let Some(called) = called.and_then(|rest| rest.strip_suffix("/invocations")) {
        return call(services, called, &request).await;
    }
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let target = target.to_owned();
    if target.starts_with("AmazonSQS.Send") {
        remember_groups(&services.groups, request.body());
        let text = String::from_utf8_lossy(request.body());
        services.traced.fetch_add(text.matches("\"AWSTraceHeader\"").count(), Ordering::Relaxed);
    }
    let authorization = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !services.guard.allows(authorization.unwrap_or_default(), &target, request.body()) {
        eprintln!("refused by its policy: {target}");
        let refusal = serde_json::json!({"__type": "AccessDeniedException", "message": "not granted by template.yaml"});
        return simulators::http::answer(400, &refusal);
    }
    let (head, body) = request.into_parts();
    let sent = body.len();
    let service = if target.starts_with("AmazonSQS") {
        "sqs"
    } else if target.starts_with("DynamoDB") {
        "dynamodb"
    } else {
        "secretsmanager"
    };
    let asked = MockRequest {
        method: head.method.to_string(),
        uri: format!("https://{service}.{REGION}.amazonaws.com{}", head.uri.path()),
        headers: head.headers,
        body,
    };
    let given = match service {
        "sqs" => services.sqs.handle(asked).await,
        "dynamodb" => services.dynamodb.lock().await.handle(asked).await,
        _ => services.secrets.handle(asked).await,
    };
    note_charge(&services.charged, &target, sent, given.body.len());
    let mut response = Response::new(given.body);
    *response.status_mut() =
        http::StatusCode::from_u16(given.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = given.headers;
    response
}

fn note_charge(charged: &Charged, target: &str, sent: usize, answered: usize) {
    let operation = target.split('.').next_back().unwrap_or_default();
    let units = match operation {
        "PutItem" | "DeleteItem" => sent.div_ceil(1024),
        "TransactWriteItems" => 2 * sent.div_ceil(1024),
        // A strongly consistent read; what is not there costs one, too.
        "GetItem" | "Query" | "Scan" => answered.div_ceil(4096).max(1),
        _ => 1,
    };
    let mut charged = charged.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = charged.entry(operation.to_owned()).or_default();
    *entry = (entry.0 + 1, entry.1 + u64::try_from(units).unwrap_or_default());
}

fn remember_groups(groups: &Groups, body: &[u8]) {
    let Ok(sent) = serde_json::from_slice::<Value>(body) else { return };
    let entries = sent["Entries"].as_array().cloned().unwrap_or_else(|| vec![sent]);
    let mut groups = groups.lock().unwrap_or_else(PoisonError::into_inner);
    for entry in entries {
        if let (Some(body), Some(group)) = (entry["MessageBody"].as_str(), entry["MessageGroupId"].as_str()) {
            groups.insert(body.to_owned(), group.to_owned());
        }
    }
}

async fn create(config: &SdkConfig) -> anyhow::Result<ResourceNames> {
    let dynamodb = aws_sdk_dynamodb::Client::new(config);
    let sqs = aws_sdk_sqs::Client::new(config);
    let mut names = ResourceNames {
        tables: HashMap::new(),
        queues: HashMap::new(),
        dead: HashMap::new(),
        secret_prefix: "switchboard/".into(),
    };
    for table in Table::ALL {
        let name = format!("switchboard-{}", table.name());
        let attribute = |name: &str| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
        };
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        dynamodb
            .create_table()
            .table_name(&name)
            .attribute_definitions(attribute("pk")?)
            .attribute_definitions(attribute("sk")?)
            .key_schema(key("pk", KeyType::Hash)?)
            .key_schema(key("sk", KeyType::Range)?)
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await?;
        names.tables.insert(table, name);
    }
    // As the stack makes them: without a value.
    let secrets = aws_sdk_secretsmanager::Client::new(config);
    for name in [KEY_RING, APPS, SLACK_SIGNING] {
        secrets.create_secret().name(format!("{}{name}", names.secret_prefix)).send().await?;
    }
    for queue in queues::ALL {
        let create = async |name: String| {
            let created = sqs
                .create_queue()
                .queue_name(name)
                .attributes(QueueAttributeName::FifoQueue, "true")
                .attributes(QueueAttributeName::VisibilityTimeout, "360")
                .send()
                .await?;
            anyhow::Ok(created.queue_url.unwrap_or_default())
        };
        names.queues.insert(queue, create(format!("switchboard-{}.fifo", queue.name())).await?);
        names.dead.insert(queue, create(format!("switchboard-{}-dead.fifo", queue.name())).await?);
    }
    Ok(names)
}
