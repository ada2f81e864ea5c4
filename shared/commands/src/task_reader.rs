//! Reads the text of a task: its name, its description, its people and its deadline.
//!
//! `Name | Description | @assignee | deadline`; but a part that is clearly people or a deadline counts wherever it is,
//! and so do those at the ends of the name. Everything else has its place, or is refused by name.

use jiff::Timestamp;

use crate::deadline::{self, DeadlineProblem};
use crate::misuse::Misuse;
use crate::people::{self, Assignee, PersonMatch};
use crate::reader::{self, TextToken, TokenUnit};
use crate::typed::CommandContext;

/// What was understood of a task's text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskReading {
    /// Its name, as people see it.
    pub name: String,
    /// The description, as Slack sent it.
    pub description: String,
    /// The assignee, and the others.
    pub people: Vec<Assignee>,
    /// The deadline, and the words for it.
    pub deadline: Option<(Timestamp, String)>,
    /// The words for each of them.
    pub people_words: Vec<String>,
    /// The parts without a place, as they were typed.
    pub left: Vec<String>,
    /// What is wrong with it, if anything; the first counts.
    pub problem: Option<Misuse>,
}

/// Reads a task; what is wrong with it is in `problem`.
pub fn read(tokens: &[TextToken<'_>], context: &CommandContext<'_>) -> TaskReading {
    let parts = reader::parts(tokens);
    let mut reading = TaskReading::default();
    let mut free: Vec<(usize, &[TextToken<'_>])> = Vec::new();
    let mut has_places = true;
    for (index, part) in parts.iter().enumerate().skip(1) {
        if part.is_empty() {
            continue;
        }
        if reading.takes_whole(part, index, context) {
            has_places &= index != 1;
        } else {
            free.push((index, part));
        }
    }
    let first = parts.first().copied().unwrap_or_default();
    reading.read_name(first, context);
    for (place, part) in free {
        let is_description = reading.description.is_empty() && (place == 1 || !has_places);
        if is_description {
            reading.description = reader::raw(part);
        } else {
            reading.leave(place, part, context);
        }
    }
    if reading.name.is_empty() {
        reading.problem = Some(Misuse::NoTaskName);
    }
    reading
}

impl TaskReading {
    fn wrong(&mut self, problem: Misuse) {
        self.problem.get_or_insert(problem);
    }

    fn add(&mut self, person: Assignee, words: String) {
        if !self.people.contains(&person) {
            self.people.push(person);
            self.people_words.push(words);
        }
    }

    /// Keeps a part without a place: its position suggests what it was meant for.
    fn leave(&mut self, place: usize, part: &[TextToken<'_>], context: &CommandContext<'_>) {
        let words = reader::line(part, true);
        let is_date = |token: &TextToken<'_>| deadline::parse(&token.typed(), context.now, context.language).is_ok();
        let is_dated = part.iter().take(4 * deadline::MAX_WORDS).any(is_date);
        self.wrong(match place {
            2 if self.people.is_empty() && !is_dated => Misuse::Assignee(words.clone()),
            2 if self.deadline.is_none() && is_dated => Misuse::Deadline(words.clone(), DeadlineProblem::Unknown),
            3 if self.deadline.is_none() => Misuse::Deadline(words.clone(), DeadlineProblem::Unknown),
            _ => Misuse::LeftOver(words.clone()),
        });
        self.left.push(reader::raw(part));
    }

    /// Takes a part that has only people and a deadline; returns whether it was one.
    fn takes_whole(&mut self, part: &[TextToken<'_>], place: usize, context: &CommandContext<'_>) -> bool {
        let mut whole =
            Edges { rest: part, people: Vec::new(), deadline: None, problem: None, may_date: true, may_name: true };
        whole.take(context, place, true);
        let mut rest = reader::line(whole.rest, false);
        if let Some(names) = names(&rest, place, context) {
            match names {
                Ok(found) => whole.people.splice(0..0, found).for_each(drop),
                Err(problem) => whole.problem = whole.problem.or(Some(problem)),
            }
            rest.clear();
        }
        // `@bob`, whom nobody knows, still counts as a person.
        let is_called = matches!(whole.rest, [one] if people::called(one).is_some());
        let is_whole = rest.is_empty() || (is_called && whole.problem.is_some());
        if !is_whole {
            return false;
        }
        let words = reader::line(part, false);
        let has_problem = whole.problem.is_some();
        if let Some(problem) = whole.problem {
            self.wrong(problem);
            self.left.push(reader::raw(part));
        }
        for (person, words) in whole.people.into_iter().filter(|_| !has_problem) {
            self.add(person, words);
        }
        match whole.deadline.filter(|_| !has_problem) {
            Some((Ok(at), words)) if self.deadline.is_none() => self.deadline = Some((at, words)),
            Some((Ok(_), words)) => {
                self.left.push(words);
                self.wrong(Misuse::LeftOver(reader::line(part, false)));
            }
            Some((Err(why), words)) => {
                self.left.push(words.clone());
                self.wrong(Misuse::Deadline(words, why));
            }
            None => {}
        }
        !words.is_empty()
    }

    /// Takes the name, without the people and the deadline at its ends, unless another part names them.
    fn read_name(&mut self, part: &[TextToken<'_>], context: &CommandContext<'_>) {
        let mut edges = Edges {
            rest: part,
            people: Vec::new(),
            deadline: None,
            problem: None,
            may_date: self.deadline.is_none(),
            may_name: self.people.is_empty(),
        };
        edges.take(context, 0, false);
        let name = reader::line(edges.rest, true);
        let is_cut = edges.rest.len() < part.len();
        // `Ask @ann` is not called `Ask`; and a comma before what was taken goes with it.
        let is_broken = is_cut && edges.deadline.is_none() && needs_more(edges.rest);
        self.name = match () {
            () if is_broken => reader::line(part, true),
            () if is_cut => name.trim_end_matches([',', ';', ':', '-', '–', '—', ' ']).to_owned(),
            () => name,
        };
        for (person, words) in edges.people {
            self.add(person, words);
        }
        match edges.deadline {
            Some((Ok(at), words)) => self.deadline = Some((at, words)),
            Some((Err(why), words)) => {
                self.left.push(words.clone());
                self.wrong(Misuse::Deadline(words, why));
            }
            None => {}
        }
        if let Some(problem) = edges.problem {
            self.wrong(problem);
        }
    }
}

/// The names of a part that consists only of names.
fn names(words: &str, place: usize, context: &CommandContext<'_>) -> Option<Result<Vec<(Assignee, String)>, Misuse>> {
    if words.is_empty() {
        return None;
    }
    let mut found = Vec::new();
    for name in people::several(words) {
        if people::is_me(name) {
            found.push((Assignee::Me, name.to_owned()));
            continue;
        }
        let known = match name.strip_prefix('@') {
            Some(name) => context.directory.by_name(name),
            None => context.directory.in_full(name),
        };
        match (known, people::is_email(name)) {
            (PersonMatch::One(person), _) => found.push((person, name.to_owned())),
            (PersonMatch::Several(names), _) => return Some(Err(Misuse::WhichPerson(name.to_owned(), names))),
            // An address in the place of the assignee is meant as one.
            (PersonMatch::Nobody, Some(email)) if place >= 2 => found.push((Assignee::Email(email), name.to_owned())),
            (PersonMatch::Nobody, _) => return None,
        }
    }
    (!found.is_empty()).then_some(Ok(found))
}

type Dated = (Result<Timestamp, DeadlineProblem>, String);

/// What is left of a part while people and a deadline are taken from its ends.
struct Edges<'t, 'a> {
    rest: &'t [TextToken<'a>],
    people: Vec<(Assignee, String)>,
    deadline: Option<Dated>,
    problem: Option<Misuse>,
    may_date: bool,
    may_name: bool,
}

impl<'t, 'a> Edges<'t, 'a> {
    fn take(&mut self, context: &CommandContext<'_>, place: usize, is_whole: bool) {
        self.rest = reader::trim(self.rest);
        let mut behind: Vec<(Assignee, String)> = Vec::new();
        loop {
            let before = self.rest.len();
            if self.may_date && self.deadline.is_none() {
                self.take_deadline(context, is_whole);
            }
            if self.may_name
                && let Some(person) = self.last_person(context, place, is_whole)
            {
                behind.push(person);
            }
            if self.rest.len() == before || self.rest.is_empty() {
                break;
            }
        }
        behind.reverse();
        while self.may_name {
            let Some(person) = self.first_person(context) else { break };
            self.people.push(person);
        }
        self.people.append(&mut behind);
    }

    /// Takes the longest deadline at the end.
    fn take_deadline(&mut self, context: &CommandContext<'_>, is_whole: bool) {
        let mut starts: Vec<usize> = Vec::new();
        for at in (0..self.rest.len()).rev() {
            match self.rest[at].unit {
                TokenUnit::Word => starts.push(at),
                TokenUnit::Blank => {}
                TokenUnit::Moment(second) if at + 1 == self.rest.len() => {
                    let moment = Timestamp::from_second(second).map_err(|_| DeadlineProblem::Unknown);
                    let is_over = |at: &Timestamp| *at <= context.now.timestamp();
                    let read = moment.and_then(|at| if is_over(&at) { Err(DeadlineProblem::Past(at)) } else { Ok(at) });
                    self.cut(at, read);
                    return;
                }
                _ => break,
            }
            if starts.len() == deadline::MAX_WORDS {
                break;
            }
        }
        // The longest comes first.
        for at in starts.into_iter().rev() {
            let is_begin = at == 0 || self.rest[at - 1].is_blank() || self.rest[at - 1].unit != TokenUnit::Word;
            let words = reader::line(&self.rest[at..], false);
            match deadline::parse(&words, context.now, context.language) {
                _ if !is_begin || (!is_whole && self.goes_on_a_number(at, &words)) => {}
                Ok(found) if is_whole || found.is_plain && self.may_end_at(at, found.is_by) => {
                    self.cut(at, Ok(found.at));
                    return;
                }
                Err(why) if why != DeadlineProblem::Unknown && (is_whole || is_by(&words)) => {
                    self.cut(at, Err(why));
                    return;
                }
                // Words that are understood as a whole mean nothing else in part: `25.12.2025 15:00` is not today at
                // 15:00.
                Ok(_) | Err(DeadlineProblem::Past(_) | DeadlineProblem::Ambiguous(..)) => return,
                Err(DeadlineProblem::Unknown) => {}
            }
        }
    }

    /// Whether a time of day comes right after a number: `Feb 30 15:00` is more likely a date that does not exist.
    fn goes_on_a_number(&self, at: usize, words: &str) -> bool {
        let before = self.rest[..at].iter().rev().find(|token| !token.is_blank());
        words.starts_with(|c: char| c.is_ascii_digit())
            && before.is_some_and(|token| token.typed().trim_end_matches('.').ends_with(|c: char| c.is_ascii_digit()))
    }

    /// Whether a name can end before these words: `Report for | tomorrow` does not.
    fn may_end_at(&self, at: usize, is_by: bool) -> bool {
        const OPEN: [&str; 22] = [
            "for",
            "from",
            "of",
            "about",
            "since",
            "after",
            "between",
            "and",
            "or",
            "to",
            "with",
            "per",
            "than",
            "для",
            "от",
            "о",
            "об",
            "про",
            "с",
            "после",
            "и",
            "или",
        ];
        let before = self.rest[..at].iter().rev().find(|token| !token.is_blank());
        let is_open =
            before.is_some_and(|token| token.unit == TokenUnit::Word && OPEN.contains(&token.meant().as_str()));
        is_by || !is_open
    }

    fn cut(&mut self, at: usize, read: Result<Timestamp, DeadlineProblem>) {
        let words = reader::line(&self.rest[at..], false);
        self.deadline = Some((read, words));
        self.rest = without_joints(&self.rest[..at]);
    }

    /// Takes the person that the rest ends with.
    fn last_person(
        &mut self,
        context: &CommandContext<'_>,
        place: usize,
        is_whole: bool,
    ) -> Option<(Assignee, String)> {
        let rest = without_joints(self.rest);
        let (last, before) = rest.split_last()?;
        if !is_whole && is_object(before) {
            return None;
        }
        if let TokenUnit::Person { id, .. } = last.unit {
            self.rest = without_joints(before);
            return Some((Assignee::Slack(id.to_owned()), last.typed()));
        }
        if let Some(email) = people::email(last) {
            let person = match context.directory.in_full(&email) {
                PersonMatch::One(person) => person,
                _ if is_whole && place >= 2 => Assignee::Email(email),
                _ => return None,
            };
            self.rest = without_joints(before);
            return Some((person, last.typed()));
        }
        self.last_called(rest, context)
    }

    /// Takes an `@name` at the end: the `@` begins it, and the name ends with the rest.
    fn last_called(&mut self, rest: &'t [TextToken<'a>], context: &CommandContext<'_>) -> Option<(Assignee, String)> {
        const MAX_TOKENS: usize = 7;
        let from = rest.len().saturating_sub(MAX_TOKENS);
        let at = (from..rest.len()).rev().find(|at| people::called(&rest[*at]).is_some())?;
        let only_words = rest[at..].iter().all(|token| matches!(token.unit, TokenUnit::Word | TokenUnit::Blank));
        let words = reader::line(&rest[at..], false);
        let name = reader::simple(&words).trim_start_matches(['@', '"', '(']).to_owned();
        let found = match () {
            () if !only_words => return None,
            () if people::is_me(&name) => PersonMatch::One(Assignee::Me),
            () => context.directory.by_name(&name),
        };
        match found {
            PersonMatch::One(person) => {
                self.rest = without_joints(&rest[..at]);
                Some((person, words))
            }
            PersonMatch::Several(names) => {
                self.problem.get_or_insert(Misuse::WhichPerson(words, names));
                None
            }
            // More than one word, and no such person: the name may continue in the middle of the text.
            PersonMatch::Nobody if rest.len() - at == 1 => {
                self.problem.get_or_insert(Misuse::Assignee(words));
                None
            }
            PersonMatch::Nobody => None,
        }
    }

    /// Takes the person that the rest begins with.
    fn first_person(&mut self, context: &CommandContext<'_>) -> Option<(Assignee, String)> {
        let (first, behind) = self.rest.split_first()?;
        if let TokenUnit::Person { id, .. } = first.unit {
            let person = (Assignee::Slack(id.to_owned()), first.typed());
            self.rest = after_joints(behind);
            return Some(person);
        }
        people::called(first)?;
        // The longest name counts.
        for length in [5, 3, 1] {
            let Some(phrase) = self.rest.get(..length) else { continue };
            if !phrase.iter().all(|token| matches!(token.unit, TokenUnit::Word | TokenUnit::Blank)) {
                continue;
            }
            let words = reader::line(phrase, false);
            let name = reader::simple(&words).trim_start_matches('@').to_owned();
            let found =
                if people::is_me(&name) { PersonMatch::One(Assignee::Me) } else { context.directory.by_name(&name) };
            match found {
                PersonMatch::One(person) => {
                    self.rest = after_joints(&self.rest[length..]);
                    return Some((person, words));
                }
                PersonMatch::Several(names) => {
                    self.problem.get_or_insert(Misuse::WhichPerson(words, names));
                    return None;
                }
                PersonMatch::Nobody => {}
            }
        }
        None
    }
}

fn is_by(words: &str) -> bool {
    let words = reader::simple(words).to_lowercase();
    ["by ", "until ", "till ", "before ", "due ", "до ", "к "].iter().any(|by| words.starts_with(by))
}

/// Whether a name without what was taken from its end says too little: one word, or one that ends in `for`.
fn needs_more(rest: &[TextToken<'_>]) -> bool {
    let words = rest.iter().filter(|token| !token.is_blank()).count();
    words == 1 || rest.last().is_some_and(|last| ["for", "для", "на"].contains(&last.meant().as_str()))
}

/// Whether what follows belongs to the sentence: `Talk with`, `Ask about`.
fn is_object(before: &[TextToken<'_>]) -> bool {
    const BEFORE_AN_OBJECT: [&str; 14] =
        ["to", "with", "from", "about", "of", "by", "к", "с", "со", "от", "о", "об", "про", "у"];
    let last = reader::trim(before).last();
    last.is_some_and(|last| last.unit == TokenUnit::Word && BEFORE_AN_OBJECT.contains(&last.meant().as_str()))
}

/// The small words between people: `Ann and Bob`, `Ann, Bob`.
fn is_joint(token: &TextToken<'_>) -> bool {
    token.unit == TokenUnit::Word
        && [",", ";", "+", "&", "and", "и", ":", "-", ".", "\""].contains(&token.meant().as_str())
}

fn without_joints<'t, 'a>(tokens: &'t [TextToken<'a>]) -> &'t [TextToken<'a>] {
    let mut rest = reader::trim(tokens);
    while let Some((_, before)) = rest.split_last().filter(|(last, _)| is_joint(last)) {
        rest = reader::trim(before);
    }
    rest
}

fn after_joints<'t, 'a>(tokens: &'t [TextToken<'a>]) -> &'t [TextToken<'a>] {
    let mut rest = reader::trim(tokens);
    while let Some((_, behind)) = rest.split_first().filter(|(first, _)| is_joint(first)) {
        rest = reader::trim(behind);
    }
    rest
}

#[cfg(test)]
mod tests;
