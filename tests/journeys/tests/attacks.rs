//! Attacks, over real HTTP: each one that once worked must fail, and each one that failed must go on failing.

mod conditions;
mod doors;
mod floods;
mod held;
mod host;
mod outbound;
mod people;
mod rights;
mod sign_in;
mod takeover;
mod tokens;
