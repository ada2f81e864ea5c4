//! A language's facts besides its texts: how it writes numbers, and its words for dates and times.

/// Words, in lower case.
pub type Words = &'static [&'static str];
/// Words, each with a number; those of more words first.
pub type Numbered = &'static [(&'static str, i64)];

/// What is known of a language: `locales/<language>/language.toml`.
pub(crate) struct Facts {
    pub(crate) name: &'static str,
    pub(crate) codes: Words,
    pub(crate) numbers: Numbers,
}

pub(crate) struct Numbers {
    pub(crate) group: &'static str,
    pub(crate) decimal: &'static str,
}

/// The words of dates and times, as people type them: `locales/<language>/dates.toml`.
#[derive(Debug)]
pub struct Dates {
    /// Whether `5/6` is the fifth of June. Where it is not, it may be either day.
    pub day_before_month: bool,
    /// Before a deadline: `by`, `until`.
    pub by: Words,
    /// The same before a time, behind a day.
    pub by_before_time: Words,
    /// Before a deadline, in several words: `no later than`.
    pub no_later_than: Words,
    /// Before a time: `at`.
    pub at: Words,
    /// Words without a meaning of their own: `on`, `the`.
    pub fillers: Words,
    /// Before what is counted from now: `in` two hours.
    pub ahead: Words,
    /// Of the next calendar week: `next` friday.
    pub next: Words,
    /// Of this calendar week: `this` friday.
    pub this: Words,
    /// The days of the week in full, from Monday, each in all its forms.
    pub weekdays: [Words; 7],
    /// Their short names, which may mean something else: `sun`.
    pub weekdays_short: [Words; 7],
    /// The months, each in all its forms.
    pub months: [Words; 12],
    /// Behind the number of a year.
    pub years: Words,
    /// Behind the number of a day: 25`th`.
    pub ordinals: Words,
    /// Behind the number of a day, as a word of its own.
    pub day_of_month: Words,
    /// Days, as days from today: `tomorrow` is 1.
    pub days: Numbered,
    /// Today, with a part of the day: `tonight`.
    pub tonight: Words,
    /// The end of a day.
    pub midnight: Words,
    /// Parts of a day, each with its hour: `morning` is 9.
    pub parts_of_day: Numbered,
    /// Whether a part of the day without a day is that of today.
    pub parts_of_day_alone: bool,
    /// Behind an hour: of the half before noon, with the hours where it means that.
    pub before_noon: &'static [(&'static str, &'static [i64])],
    /// Behind an hour: of the half after noon, with the hours where it means that.
    pub after_noon: &'static [(&'static str, &'static [i64])],
    /// Numbers in words.
    pub numbers: Numbered,
    /// Spans in words, in minutes: `half an hour` is 30.
    pub minutes: Numbered,
    /// What is counted.
    pub units: Units,
    /// Units that mean one of them where no number is said: `через час`.
    pub units_alone: Words,
    /// The ends of periods: `end of month`.
    pub period_ends: Periods,
}

/// Units of time, each in all its forms.
#[derive(Debug)]
pub struct Units {
    pub minute: Words,
    pub hour: Words,
    pub day: Words,
    pub week: Words,
    pub month: Words,
    pub year: Words,
}

/// The ends of periods, in all the ways to write them.
#[derive(Debug)]
pub struct Periods {
    pub day: Words,
    pub week: Words,
    pub next_week: Words,
    pub month: Words,
    pub next_month: Words,
    pub quarter: Words,
    pub year: Words,
}
