//! Counts the work of parsers. They report here how many bytes they read, and a test compares the numbers for a text
//! and for one twice as long: a clock on a busy machine proves nothing, a count does.
//!
//! A scan reports what it passed over, found or not. Searches go through [`find`] and [`find_str`], which report by
//! themselves; a loop of its own calls [`add`]. Without the feature `count`, all of it is empty.

#[cfg(feature = "count")]
thread_local! {
    static TAKEN: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Reports work: bytes looked at, or copied.
#[inline]
pub fn add(steps: usize) {
    #[cfg(feature = "count")]
    TAKEN.with(|taken| taken.set(taken.get().saturating_add(steps as u64)));
    #[cfg(not(feature = "count"))]
    let _ = steps;
}

/// What this thread has reported so far; 0 without the feature `count`.
pub fn taken() -> u64 {
    #[cfg(feature = "count")]
    return TAKEN.with(std::cell::Cell::get);
    #[cfg(not(feature = "count"))]
    0
}

/// A result, and the work that it took.
pub fn of<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = taken();
    let result = work();
    (result, taken() - before)
}

/// Where the first of `stops` is. Reports every byte up to it, or all of them if there is none.
#[inline]
pub fn find(text: &str, stops: &[char]) -> Option<usize> {
    let found = text.find(stops);
    add(found.map_or(text.len(), |at| at + 1));
    found
}

/// Where `wanted` begins. Reports as [`find`] does.
#[inline]
pub fn find_str(text: &str, wanted: &str) -> Option<usize> {
    let found = text.find(wanted);
    add(found.map_or(text.len(), |at| at + wanted.len()));
    found
}

#[cfg(all(test, feature = "count"))]
mod tests {
    use super::*;

    #[test]
    fn a_scan_reports_what_it_passed_over() {
        assert_eq!(of(|| find("abc]d", &[']', '['])), (Some(3), 4));
        assert_eq!(of(|| find("abc", &[']'])), (None, 3));
        assert_eq!(of(|| find_str("a[/b]", "[/b]")), (Some(1), 5));
        assert_eq!(of(|| add(7)).1, 7);
    }
}
