//! A made-up language for tests, which reveals texts that do not come from the catalogues.

use std::cell::Cell;

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
}

/// Runs `run` with every text of the catalogues in made-up letters: `[!! Ŧéxŧ !!]`, whatever the language. It holds for
/// this thread only.
pub fn in_pseudo<T>(run: impl FnOnce() -> T) -> T {
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            IS_ON.set(false);
        }
    }
    IS_ON.set(true);
    let _off = Off;
    run()
}

pub(crate) fn is_on() -> bool {
    IS_ON.get()
}

/// Fails if a text has English letters. Moments are written for every language in the same way, in UTC.
#[track_caller]
#[allow(clippy::missing_panics_doc)] // it is an assertion
pub fn assert_from_the_catalogues(text: &str) {
    let own = text.replace("UTC", "");
    assert!(!own.contains(|c: char| c.is_ascii_alphabetic()), "this does not come from the catalogues: {text}");
}
