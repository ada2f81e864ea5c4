//! What operators can see and do, for the pages and the command line: an overview, the event log, dead letters, dry
//! runs of routes, checks with their fixes. It makes no pages and prints nothing.

pub mod dead_letters;
pub mod doctor;
pub mod dry_run;
pub mod hours;
pub mod log;
pub mod overview;
