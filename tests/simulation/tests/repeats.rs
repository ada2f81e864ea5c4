//! A seed is a history.

use std::time::Duration;

use simulation::history::{HistoryOptions, run};
use simulation::storms::Climate;
use simulation::trace::divergence;

#[test]
fn a_seed_gives_the_same_history_again_and_another_gives_another() {
    let history = |seed| {
        let options = HistoryOptions {
            seed,
            work: Duration::from_secs(600),
            companies: 2,
            planted: None,
            climate: Some(Climate::Mixed),
        };
        run(&options).unwrap()
    };
    let (first, again) = (history(1), history(1));
    if let Some((number, one, other)) = divergence(&first.lines, &again.lines) {
        panic!("line {number} differs:\n{}\n{}", one.unwrap(), other.unwrap());
    }
    assert_eq!(first.hash, again.hash);
    assert!(first.lines.len() > 1_000, "{} lines", first.lines.len());
    assert_ne!(first.hash, history(2).hash);
}
