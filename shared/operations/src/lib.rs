//! What operators ask and do, the same for the pages and for the command line, on every engine: how everything stands,
//! the log searched, one way from webhook to delivery, dead letters, what other routes would have told, what is wrong
//! and how it is mended.

pub mod doctor;
pub mod hours;
pub mod letters;
pub mod log;
pub mod overview;
pub mod replay;
