//! The jobs that were received together, and how they are worked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::future::join_all;
use tracing::Instrument;

use crate::TenantId;
use crate::batch_watch::BatchWatch;
use crate::calls;
use crate::job::{Fall, JobOutcome, Outcomes, ReceivedJob};
use crate::unwinding::caught;

/// The jobs received together, by group and in order.
#[derive(Debug)]
pub struct Jobs<T> {
    groups: Vec<Vec<ReceivedJob<T>>>,
    /// Learns of each job that begins and ends, while others are still worked.
    watch: Option<Arc<BatchWatch>>,
}

impl<T> Jobs<T> {
    /// Sorts jobs into their groups; each group keeps the order in which its jobs came.
    pub fn new(jobs: Vec<ReceivedJob<T>>) -> Self {
        let mut places = HashMap::new();
        let mut groups: Vec<Vec<ReceivedJob<T>>> = Vec::new();
        for job in jobs {
            let place = *places.entry(job.group.clone()).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Vec::new());
            }
            groups[place].push(job);
        }
        Self { groups, watch: None }
    }

    /// The same jobs, of which `watch` learns.
    pub(crate) fn watched(self, watch: &Arc<BatchWatch>) -> Self {
        Self { watch: Some(watch.clone()), ..self }
    }

    /// All jobs, group by group.
    pub fn iter(&self) -> impl Iterator<Item = &ReceivedJob<T>> {
        self.groups.iter().flatten()
    }

    /// The jobs of each tenant, for work that is done once for all jobs of a tenant: nobody waits for another's.
    pub fn by_tenant(self) -> Vec<Self> {
        let mut tenants: BTreeMap<TenantId, Vec<Vec<ReceivedJob<T>>>> = BTreeMap::new();
        for group in self.groups {
            if let Some(first) = group.first() {
                tenants.entry(first.tenant.clone()).or_default().push(group);
            }
        }
        tenants.into_values().map(|groups| Self { groups, watch: self.watch.clone() }).collect()
    }

    /// The groups in which no job is `apart`, and each group by itself in which one is.
    pub fn setting_apart(self, apart: impl Fn(&ReceivedJob<T>) -> bool) -> Vec<Self> {
        let Self { groups, watch } = self;
        let (alone, together): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.iter().any(&apart));
        let together = (!together.is_empty()).then_some(together);
        let sets = together.into_iter().chain(alone.into_iter().map(|group| vec![group]));
        sets.map(|groups| Self { groups, watch: watch.clone() }).collect()
    }

    /// Works the groups in parallel and the jobs of each in order. Once a job is to be tried again, the rest of its
    /// group is not worked: it would overtake. A job that panics takes no other with it, and none begins when the time of
    /// the batch is nearly up.
    pub async fn each<F>(self, work: impl Fn(ReceivedJob<T>) -> F) -> Outcomes
    where
        F: Future<Output = JobOutcome>,
    {
        let (work, watch) = (&work, self.watch.as_deref());
        let groups = self.groups.into_iter().map(|group| async move {
            let mut outcomes: Vec<(String, JobOutcome)> = Vec::with_capacity(group.len());
            let mut behind: Option<JobOutcome> = None;
            for job in group {
                let id = job.id.clone();
                let outcome = match &behind {
                    Some(outcome) => outcome.clone(),
                    None => begun(watch, work, job).await,
                };
                behind = behind.or_else(|| outcome.of_those_behind());
                if let Some(watch) = watch {
                    watch.end(&id, &outcome);
                }
                outcomes.push((id, outcome));
            }
            outcomes
        });
        Outcomes(join_all(groups).await.into_iter().flatten().collect())
    }
}

/// Works a job, if there is time to begin it.
async fn begun<T, F>(watch: Option<&BatchWatch>, work: &impl Fn(ReceivedJob<T>) -> F, job: ReceivedJob<T>) -> JobOutcome
where
    F: Future<Output = JobOutcome>,
{
    if let Some(watch) = watch
        && !watch.begin(&job.id).await
    {
        return JobOutcome::Returned { cause: "the time of its batch is nearly up".into() };
    }
    // Every line that is logged for a job says whose it is and which way it came.
    let span = tracing::info_span!("job", trace = %job.trace, tenant = %job.tenant);
    let subject = job.group.clone();
    // Boxed: the work on a job can be large, and is wrapped several times.
    let worked = caught(Box::pin(async { work(job).await }));
    match calls::on_behalf_of(&subject, calls::scope(worked)).instrument(span).await {
        Ok(outcome) => outcome,
        Err(panic) => JobOutcome::Fell(Fall::Panicked(panic)),
    }
}
