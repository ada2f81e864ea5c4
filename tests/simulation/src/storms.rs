//! What goes wrong besides single calls: providers that are down, processes that crash or are replaced, clocks that are
//! off, events that are lost, doubled or late.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use simulators::Estate;
use simulators::notion::NotionEventDelivery;
use simulators::portal::PortalEventDelivery;
use simulators::traffic::Disorder;

use crate::company::Company;
use crate::deployment::Deployment;
use crate::dice::Dice;
use crate::sim::Sim;
use crate::weather::{FaultRates, Outage};

/// How long an outage lasts.
const OUTAGE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(300));
/// How long nobody runs at a place after a crash.
const DOWN: (Duration, Duration) = (Duration::from_secs(0), Duration::from_secs(90));
/// How far a clock is off, in milliseconds, either way.
const MAX_SKEW_MS: u64 = 1_500;

/// What kind of history it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Climate {
    /// Only latencies differ.
    Calm,
    /// The portal of the first company is down now and then, and nothing else goes wrong.
    OnePortal,
    /// A bit of everything.
    Mixed,
    /// Processes crash often, and the engine fails.
    Crashes,
    /// The providers fail often.
    Providers,
}

impl Climate {
    /// The climate of a seed.
    pub fn of(plan: &Dice) -> Self {
        match plan.below(10) {
            0 => Self::Calm,
            1 => Self::OnePortal,
            2..=5 => Self::Mixed,
            6 | 7 => Self::Crashes,
            _ => Self::Providers,
        }
    }

    /// How often single calls fail in it.
    pub fn rates(self) -> FaultRates {
        match self {
            Self::Calm | Self::OnePortal => FaultRates::default(),
            Self::Mixed => FaultRates { engine: 2, provider: 15, webhook: 10, lease: 10 },
            Self::Crashes => FaultRates { engine: 10, provider: 10, webhook: 20, lease: 30 },
            Self::Providers => FaultRates { engine: 0, provider: 80, webhook: 10, lease: 0 },
        }
    }

    /// How long nothing begins in it, on average.
    fn pause(self) -> Option<Duration> {
        match self {
            Self::Calm => None,
            Self::OnePortal | Self::Mixed => Some(Duration::from_secs(240)),
            Self::Crashes => Some(Duration::from_secs(60)),
            Self::Providers => Some(Duration::from_secs(150)),
        }
    }
}

/// What goes wrong in a history.
pub struct Storms {
    /// The world.
    pub sim: Arc<Sim>,
    /// The deployment.
    pub deployment: Arc<Deployment>,
    /// The companies.
    pub companies: Vec<Arc<Company>>,
    /// What kind of history it is.
    pub climate: Climate,
}

impl Storms {
    /// Things go wrong until then.
    pub async fn rage_until(&self, end: Duration) -> anyhow::Result<()> {
        let Some(pause) = self.climate.pause() else { return Ok(()) };
        loop {
            tokio::time::sleep(self.sim.faults.wait(pause)).await;
            if self.sim.clock.passed() >= end {
                return Ok(());
            }
            self.something_goes_wrong(end).await?;
        }
    }

    async fn something_goes_wrong(&self, end: Duration) -> anyhow::Result<()> {
        match (self.climate, self.sim.faults.below(10)) {
            (Climate::OnePortal, _) => self.outage(self.companies[0].portal.host(), end),
            (Climate::Crashes, 0..=5) | (_, 0 | 1) => self.crash(end).await?,
            (_, 2) => self.replace().await?,
            (_, 3) => self.skew(),
            (_, 4 | 5) => self.disturb_events(end),
            _ => {
                let host = self.any_host();
                self.outage(host, end);
            }
        }
        Ok(())
    }

    fn any_host(&self) -> String {
        let estate = &self.deployment.estate;
        let of = |url: String| url.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
        let mut hosts: Vec<String> = estate.portals.iter().map(|portal| portal.host()).collect();
        hosts.push(of(estate.hub.api_url()));
        hosts.push(of(estate.notion.url()));
        hosts.push(of(estate.authority.url(simulators::Region::West)));
        hosts.push(of(estate.authority.url(simulators::Region::East)));
        self.sim.faults.pick(&hosts).cloned().unwrap_or_default()
    }

    fn outage(&self, host: String, end: Duration) {
        let faults = &self.sim.faults;
        let kinds = [
            (Outage::Gateway, "outage: pages of a gateway"),
            (Outage::Hang, "outage: no answers"),
            (Outage::Reset, "outage: connections break"),
            (Outage::Refused, "outage: nobody listens"),
            (Outage::Throttle(faults.between(1, 40)), "outage: everything is refused for a while"),
            (Outage::Slow(faults.duration(Duration::from_secs(1), Duration::from_secs(9))), "outage: slow"),
        ];
        let Some((outage, kind)) = faults.pick(&kinds).copied() else { return };
        let lasts = faults.duration(OUTAGE.0, OUTAGE.1).min(end.saturating_sub(self.sim.clock.passed()));
        self.sim.fault(kind, &format!("{host} {outage:?} for {lasts:?}"));
        self.sim.weather.set(&host, Some(outage));
        let sim = self.sim.clone();
        tokio::spawn(async move {
            tokio::time::sleep(lasts).await;
            sim.weather.set(&host, None);
            sim.trace.note(format!("outage over: {host}"));
        });
    }

    fn any_place(&self) -> usize {
        usize::try_from(self.sim.faults.below(self.deployment.layout.processes() as u64)).unwrap_or_default()
    }

    async fn crash(&self, end: Duration) -> anyhow::Result<()> {
        let place = self.any_place();
        self.sim.fault("process: crash", &format!("place {place}"));
        self.deployment.crash(place);
        let down = self.sim.faults.duration(DOWN.0, DOWN.1).min(end.saturating_sub(self.sim.clock.passed()));
        tokio::time::sleep(down).await;
        if !self.deployment.is_running(place) {
            self.deployment.start_process(place)?;
        }
        Ok(())
    }

    /// A process is stopped and started again, as an upgrade does.
    async fn replace(&self) -> anyhow::Result<()> {
        let place = self.any_place();
        self.sim.fault("process: replaced", &format!("place {place}"));
        self.deployment.stop(place).await;
        if !self.deployment.is_running(place) {
            self.deployment.start_process(place)?;
        }
        Ok(())
    }

    fn skew(&self) {
        let millis = self.sim.faults.between(0, 2 * MAX_SKEW_MS);
        let ahead = SignedDuration::from_millis(millis.cast_signed() - MAX_SKEW_MS.cast_signed());
        self.sim.fault("clock: off", &format!("{ahead:?}"));
        self.deployment.set_clock_error(ahead);
    }

    /// For a while a provider sends events late, twice, in another order, or not at all.
    fn disturb_events(&self, end: Duration) {
        let faults = &self.sim.faults;
        let Some(company) = faults.pick(&self.companies).cloned() else { return };
        let disorder = Disorder {
            seed: faults.number(),
            max_delay_ms: faults.between(0, 20_000),
            doubled: u16::try_from(faults.below(400)).unwrap_or_default(),
            lost: u16::try_from(faults.below(600)).unwrap_or_default(),
        };
        let (sim, estate) = (self.sim.clone(), self.deployment.estate.clone());
        let lasts = faults.duration(OUTAGE.0, OUTAGE.1).min(end.saturating_sub(sim.clock.passed()));
        let (what, of) = match faults.below(5) {
            0 | 1 => ("events of Slack: doubled, late, in another order", EventsOf::Slack),
            2 => ("events of Notion: lost, doubled, in another order", EventsOf::Notion),
            _ => ("events of Bitrix24: lost, doubled, late, in another order", EventsOf::Bitrix24),
        };
        sim.fault(what, &format!("company {} {disorder:?} for {lasts:?}", company.number));
        of.travel(&company, &estate, disorder);
        tokio::spawn(async move {
            tokio::time::sleep(lasts).await;
            of.travel(&company, &estate, Disorder::default());
        });
    }

    /// Nothing goes wrong any more.
    pub fn end(&self) {
        self.sim.weather.clear();
        for company in &self.companies {
            for of in [EventsOf::Bitrix24, EventsOf::Slack, EventsOf::Notion] {
                of.travel(company, &self.deployment.estate, Disorder::default());
            }
        }
    }
}

/// Whose events.
#[derive(Debug, Clone, Copy)]
enum EventsOf {
    Bitrix24,
    Slack,
    Notion,
}

impl EventsOf {
    /// How they travel from now on. Slack loses none: it sends them again.
    fn travel(self, company: &Company, estate: &Estate, disorder: Disorder) {
        match self {
            Self::Bitrix24 => {
                company.portal.deliver(PortalEventDelivery { disorder, ..PortalEventDelivery::default() });
            }
            Self::Slack => company.workspace.deliver(Disorder { lost: 0, ..disorder }),
            Self::Notion => {
                estate.notion.deliver(NotionEventDelivery { disorder, ..NotionEventDelivery::default() });
            }
        }
    }
}
