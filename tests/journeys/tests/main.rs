//! All journeys, in one binary: linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admin;
mod answers;
mod api;
mod arrows;
mod attacks;
mod bad_input;
mod bot;
mod bridged;
mod bridges;
mod cast;
mod commands;
mod deals;
mod fair;
mod faults;
mod install;
mod kill;
mod made_up_language;
mod notifications;
mod notion;
mod notion_backfill;
mod notion_signals;
mod notion_troubles;
mod onpremise;
mod operations;
mod places;
mod recipes;
mod routes;
mod slack_input;
mod sweep;
mod tenants;
mod tokens;
mod upkeep;
mod web_api;
mod whole;
