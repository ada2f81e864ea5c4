//! One history: companies join and work, things go wrong, everything heals and settles, and then it is checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clients::ConnectionSide;
use jobs::queues;
use runtime::Queue;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use simulators::estate::Estate;
use tokio::task::JoinSet;

use crate::browser::PersonBrowser;
use crate::clock::VirtualClock;
use crate::company::Company;
use crate::deployment::{Deployment, Layout};
use crate::dice::Dice;
use crate::invariants::{Broken, Checked};
use crate::logs::Log;
use crate::people::{BRIDGED, People, settings};
use crate::plant::PlantedBug;
use crate::sim::Sim;
use crate::storms::{Climate, Storms};
use crate::trace::TraceLine;
use crate::weather::Weather;

/// When every history begins: a Monday morning.
const START: &str = "2026-11-23T08:00:00Z";
/// The longest time after which everything has settled that was healed.
const MAX_SETTLING: Duration = Duration::from_secs(3 * 3600);
/// How often it is looked whether everything has settled.
const LOOK: Duration = Duration::from_secs(10);
/// How long everything rests before it counts as settled: a sweep begins, and what it finds is worked.
const REST: Duration = Duration::from_secs(11 * 60);

/// What to run.
#[derive(Debug, Clone)]
pub struct HistoryOptions {
    /// Where everything follows from.
    pub seed: u64,
    /// How long people work.
    pub work: Duration,
    /// How many companies there are.
    pub companies: usize,
    /// A bug that is to be found.
    pub planted: Option<PlantedBug>,
    /// The climate, if not that of the seed.
    pub climate: Option<Climate>,
}

/// What came of it.
#[derive(Debug)]
pub struct HistoryReport {
    /// Its seed.
    pub seed: u64,
    /// The hash of everything that could be observed.
    pub hash: String,
    /// What kind of history it was.
    pub climate: Climate,
    /// How the product ran.
    pub layout: Layout,
    /// The promises that were not kept.
    pub broken: Vec<Broken>,
    /// What happened, in numbers.
    pub counts: BTreeMap<&'static str, u64>,
    /// How long it took in virtual time.
    pub passed: Duration,
    /// How long it took from healing until nothing had to be done any more.
    pub settled_after: Duration,
    /// The trace.
    pub lines: Vec<TraceLine>,
}

impl HistoryReport {
    /// The last lines of the trace about something broken.
    pub fn trail(&self, broken: &Broken, most: usize) -> Vec<&TraceLine> {
        let is_about = |line: &&TraceLine| broken.keys.iter().any(|key| line.text.contains(key));
        let found: Vec<&TraceLine> = self.lines.iter().filter(is_about).collect();
        found[found.len().saturating_sub(most)..].to_vec()
    }
}

/// Runs a history on this thread.
pub fn run(options: &HistoryOptions) -> anyhow::Result<HistoryReport> {
    let log = Log::default();
    let _listening = log.listen();
    let _seeded = runtime::random::seed(options.seed);
    let _isolated = simulators::direct::isolate();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(History::run(options, &log))
}

struct History {
    sim: Arc<Sim>,
    estate: Arc<Estate>,
    deployment: Arc<Deployment>,
    companies: Vec<Arc<Company>>,
    plan: Dice,
}

impl History {
    async fn run(options: &HistoryOptions, log: &Log) -> anyhow::Result<HistoryReport> {
        let clock = Arc::new(VirtualClock::starting_at(START.parse()?));
        let plan = Dice::new(options.seed, "plan");
        let drawn = Climate::of(&plan);
        let climate = options.climate.unwrap_or(drawn);
        let layout = if plan.happens(500) { Layout::OneMachine } else { Layout::SideBySide(2) };
        let sim = Arc::new(Sim::new(options.seed, clock.clone(), Weather::new(climate.rates()), options.planted));
        let estate = Arc::new(Estate::start(clock, options.companies).await?);
        tokio::time::sleep(Duration::from_secs(10)).await;
        sim.trace.note(format!("history {} {climate:?} {layout:?}", options.seed));
        let deployment = Deployment::start(sim.clone(), estate.clone(), layout).await?;
        let companies: anyhow::Result<Vec<_>> =
            (0..options.companies).map(|number| Company::new(&estate, number).map(Arc::new)).collect();
        let history = Self { sim, estate, deployment, companies: companies?, plan };
        let sending = tokio::spawn(send_notions_webhooks(history.estate.clone()));
        let browsers = history.join_all().await?;
        history.work(options, climate, browsers).await?;
        let settled_after = history.settle().await?;
        sending.abort();
        let checked = Checked {
            sim: &history.sim,
            estate: &history.estate,
            deployment: &history.deployment,
            companies: &history.companies,
            climate,
            settled_after,
            log,
        };
        let broken = checked.all().await?;
        Ok(HistoryReport {
            seed: options.seed,
            hash: history.sim.trace.hash(),
            climate,
            layout,
            broken,
            counts: history.sim.counted(),
            passed: history.sim.clock.passed(),
            settled_after,
            lines: history.sim.trace.lines(),
        })
    }

    /// All join but, sometimes, the last: it comes later.
    async fn join_all(&self) -> anyhow::Result<Vec<Option<PersonBrowser>>> {
        let mut browsers = Vec::new();
        let comes_later = self.companies.len() > 1 && self.plan.happens(400);
        for (number, company) in self.companies.iter().enumerate() {
            if comes_later && number + 1 == self.companies.len() {
                browsers.push(None);
                continue;
            }
            let browser = self.join(company).await?;
            if number == 0 {
                self.connect_notion(company, &browser).await?;
            }
            self.bridge(company).await?;
            browsers.push(Some(browser));
        }
        Ok(browsers)
    }

    /// An administrator connects a company, and chooses that each card comes by itself.
    async fn join(&self, company: &Company) -> anyhow::Result<PersonBrowser> {
        let browser = PersonBrowser::new(self.deployment.clone());
        browser.install(company.number).await?;
        self.set(company, settings(None)).await?;
        // What is done from now on is news, by the second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        company.deeds().joined_at = Some(self.sim.clock.passed());
        self.sim.trace.note(format!("company {} joined", company.number));
        Ok(browser)
    }

    async fn set(&self, company: &Company, settings: Value) -> anyhow::Result<()> {
        let connections = self.deployment.connections()?;
        let is_known = connections.portals().set_settings(&company.tenant, settings).await?;
        anyhow::ensure!(is_known, "company {} is not connected", company.number);
        // Until every process has read them.
        tokio::time::sleep(Duration::from_secs(65)).await;
        Ok(())
    }

    async fn connect_notion(&self, company: &Company, browser: &PersonBrowser) -> anyhow::Result<()> {
        browser.install_notion().await?;
        let notion = &self.estate.notion;
        let (database, source) = notion.add_database("Deals", &json!({}));
        let fields = json!([
            {"field": "title", "property": "Name"}, {"field": "opportunity", "property": "Amount"},
            {"field": "stageId", "property": "Stage"},
        ]);
        let databases = json!({"databases": [{"name": "Deals", "database": database, "records": "deal", "page": [], "fields": fields}]});
        self.set(company, settings(Some(&databases))).await?;
        let key = self.deployment.connections()?.open_notion_window(&company.tenant, false).await?;
        let address = format!("{}/webhooks/notion/{}", self.deployment.url, key.expose_secret());
        let (_, status) = notion.subscribe(&address).await;
        anyhow::ensure!(status == 200, "Notion could not subscribe: HTTP {status}");
        company.deeds().source = Some(source);
        Ok(())
    }

    /// A channel and a chat become one conversation.
    async fn bridge(&self, company: &Company) -> anyhow::Result<()> {
        let chat = company.portal.add_chat("Support", &[1, 6]);
        company.portal.invite_bots(&chat);
        let (admin, channel) = (company.person(1), company.workspace.channel_id(BRIDGED));
        for _ in 0..5 {
            company.workspace.command(&admin, &channel, "/b24-bridge", &chat).await;
            tokio::time::sleep(Duration::from_secs(30)).await;
            let texts = company.workspace.texts(BRIDGED);
            if texts.iter().any(|text| text.contains("This channel is bridged with")) {
                company.deeds().chat = Some(chat);
                return Ok(());
            }
        }
        let whispers = company.workspace.whispers(&admin);
        anyhow::bail!("the channel could not be bridged: {:?}", whispers.last())
    }

    async fn work(
        &self,
        options: &HistoryOptions,
        climate: Climate,
        mut browsers: Vec<Option<PersonBrowser>>,
    ) -> anyhow::Result<()> {
        let end = self.sim.clock.passed() + options.work;
        let mut at_work = JoinSet::new();
        for company in &self.companies {
            let people = People { sim: self.sim.clone(), company: company.clone(), notion: self.estate.notion.clone() };
            at_work.spawn(async move { people.work_until(end).await });
        }
        self.sim.weather.begin();
        let storms = Storms {
            sim: self.sim.clone(),
            deployment: self.deployment.clone(),
            companies: self.companies.clone(),
            climate,
        };
        let last = browsers.pop().flatten();
        let everybody = async { while at_work.join_next().await.is_some() {} };
        let ((), raged, moved) =
            tokio::join!(biased; everybody, storms.rage_until(end), self.come_or_go(last, options.work));
        storms.end();
        self.deployment.heal()?;
        self.sim.trace.note("healed");
        raged?;
        moved
    }

    /// The last company joins if it has not yet; if it has, it may leave. All tokens end once.
    async fn come_or_go(&self, browser: Option<PersonBrowser>, work: Duration) -> anyhow::Result<()> {
        tokio::time::sleep(self.plan.duration(work / 4, work / 2)).await;
        self.sim.trace.note("all tokens end");
        self.estate.authority.expire_all();
        self.estate.notion.expire_all();
        let Some(company) = self.companies.last().filter(|_| self.companies.len() > 1) else { return Ok(()) };
        match browser {
            None => {
                self.sim.count("companies that joined later");
                self.join(company).await?;
            }
            Some(browser) if self.plan.happens(500) => {
                self.sim.count("companies that left");
                company.deeds().left_at = Some(self.sim.clock.passed());
                browser.leave(company.number).await?;
                self.sim.trace.note(format!("company {} left", company.number));
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Until nothing has happened for a while; when it was that something happened last, after healing.
    async fn settle(&self) -> anyhow::Result<Duration> {
        let healed = self.sim.clock.passed();
        let mut busy = healed;
        while self.since(busy) < REST && self.since(healed) < MAX_SETTLING {
            tokio::time::sleep(LOOK).await;
            self.reconnect_what_is_in_trouble().await?;
            if self.is_busy().await {
                busy = self.sim.clock.passed();
            }
        }
        self.sim.trace.note("settled");
        Ok(busy.saturating_sub(healed))
    }

    fn since(&self, moment: Duration) -> Duration {
        self.sim.clock.passed().saturating_sub(moment)
    }

    /// Administrators read which connection is rejected, and connect it again: the answer of an authorization server that
    /// was lost cannot be had again.
    async fn reconnect_what_is_in_trouble(&self) -> anyhow::Result<()> {
        let connections = self.deployment.connections()?;
        for company in self.companies.iter().filter(|company| company.is_connected()) {
            let troubles = connections.troubles(&company.tenant).await?;
            let sides: Vec<ConnectionSide> = troubles.iter().map(|trouble| trouble.side).collect();
            if sides.is_empty() {
                continue;
            }
            self.sim.count("companies that connected again");
            self.sim.trace.note(format!("company {} connects {sides:?} again", company.number));
            let browser = PersonBrowser::new(self.deployment.clone());
            browser.install(company.number).await?;
            if sides.contains(&ConnectionSide::Notion) {
                browser.install_notion().await?;
            }
        }
        Ok(())
    }

    async fn is_busy(&self) -> bool {
        let memory = self.deployment.memory();
        for queue in queues::ALL {
            if memory.depth(queue).await.is_ok_and(|depth| depth.waiting > 0) {
                return true;
            }
        }
        let is_sending =
            |company: &Arc<Company>| company.portal.events_on_the_way() > 0 || company.workspace.on_the_way() > 0;
        self.companies.iter().any(is_sending) || self.estate.notion.on_the_way() > 0
    }
}

/// Sends Notion's webhooks when they are due.
async fn send_notions_webhooks(estate: Arc<Estate>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        estate.notion.send_due();
    }
}
