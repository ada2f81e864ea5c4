//! The parts of a sweep, and their first pages, which are asked for in one request.

use std::collections::HashMap;

use bitrix24::Batch;
use bitrix24::batch::{BatchAnswer, MAX_COMMANDS};
use clients::Failure;
use records::ChangeKind;
use runtime::snapshots::ReadMoment;
use serde_json::Value;
use settings::subscriptions;
use settings::subscriptions::has_route_for;

use super::Sweep;
use super::answers::FirstAnswer;
use super::calls::CallsPart;
use super::comments::CommentsPart;
use super::records_of::RecordsPart;

/// A part of a sweep.
pub(super) enum SweepPart {
    /// The portal's own queue.
    Offline,
    /// Records of a kind.
    Records(RecordsPart),
    Calls(CallsPart),
    Comments(CommentsPart),
}

/// The first answers, by the names of their parts.
#[derive(Default)]
pub(super) struct FirstAnswers(HashMap<String, FirstAnswer>);

impl SweepPart {
    /// A name within the sweep.
    fn name(&self) -> String {
        match self {
            Self::Offline => "offline".into(),
            // A name in a batch is a key in a form.
            Self::Records(records) => records.name().replace(|letter: char| !letter.is_ascii_alphanumeric(), "_"),
            Self::Calls(_) => "calls".into(),
            Self::Comments(_) => "comments".into(),
        }
    }

    /// What its first page is read with.
    fn first(&self) -> (&'static str, Value) {
        match self {
            Self::Offline => Sweep::offline_feature(),
            Self::Records(records) => records.first(),
            Self::Calls(calls) => calls.page(0),
            Self::Comments(comments) => comments.first(),
        }
    }
}

impl Sweep<'_> {
    /// What is swept, with how far it is.
    pub(super) async fn parts(&self) -> Result<Vec<SweepPart>, Failure> {
        let mut parts = Vec::new();
        if self.client.is_application() {
            parts.push(SweepPart::Offline);
        }
        for kind in subscriptions::swept(&self.settings) {
            parts.push(SweepPart::Records(self.records_part(kind).await?));
        }
        if [ChangeKind::CallMissed, ChangeKind::CallEnded].iter().any(|kind| has_route_for(&self.settings, kind)) {
            parts.push(SweepPart::Calls(self.calls_part().await?));
        }
        if has_route_for(&self.settings, &ChangeKind::TaskCommented) {
            parts.push(SweepPart::Comments(self.comments_part().await?));
        }
        Ok(parts)
    }

    /// Asks for the first page of each part in one request. What does not fit is asked for when its turn comes.
    pub(super) async fn ask_together(&mut self, parts: &[SweepPart]) -> Result<FirstAnswers, Failure> {
        let here = self.crm.backend.clock.now();
        let mut batch = Batch::new();
        let names: Vec<_> = parts.iter().take(MAX_COMMANDS).map(SweepPart::name).collect();
        for (part, name) in parts.iter().zip(&names) {
            let (method, params) = part.first();
            // There is room for these.
            let _ = batch.add(name.clone(), method, &params);
        }
        if batch.is_empty() {
            return Ok(FirstAnswers::default());
        }
        let (mut answers, answer) = self.client.batch(&batch).await?;
        self.note_time(answer.started_at);
        let read = ReadMoment { here, there: answer.started_at };
        let first = names.into_iter().filter_map(|name| {
            let first = self.first_answer(&name, &mut answers, read)?;
            Some((name, first))
        });
        Ok(FirstAnswers(first.collect()))
    }

    fn first_answer(&self, name: &str, answers: &mut BatchAnswer, read: ReadMoment) -> Option<FirstAnswer> {
        let next = answers.next(name);
        let result = answers.take(name)?.map_err(|error| self.client.failure(&error));
        Some(FirstAnswer { result, next, read })
    }

    /// Sweeps a part, beginning with the answer that is there.
    pub(super) async fn part(&mut self, part: SweepPart, answers: &mut FirstAnswers) -> Result<(), Failure> {
        let first = answers.0.remove(&part.name());
        match part {
            SweepPart::Offline => self.offline(first).await,
            SweepPart::Records(records) => self.records_of(records, first).await,
            SweepPart::Calls(calls) => self.calls(calls, first).await,
            SweepPart::Comments(comments) => self.comments(comments, first).await,
        }
    }
}
