//! A deterministic simulation of the whole product: every function, the schedules, the engine in memory, the simulated
//! providers and the people who use them, in one thread and in virtual time. Every choice follows from one seed.

pub mod browser;
pub mod clock;
pub mod company;
pub mod deployment;
pub mod dice;
pub mod engine;
pub mod history;
pub mod invariants;
pub mod life;
pub mod logs;
pub mod people;
pub mod plant;
pub mod sim;
pub mod storms;
pub mod trace;
pub mod transport;
pub mod weather;
