//! Slash commands in Slack: one file each.
//!
//! A command's file has two halves. The first is what acknowledging needs: name, usage, help, how its text is read,
//! which form it opens. The second acts; it is behind the feature `act`, because it brings the clients of the
//! providers. What a command needs is given by [`spec::Acknowledge`] and `perform::Perform`; the table below is the
//! only list of commands.

#[macro_use]
pub mod spec;

pub mod contacts;
pub mod deadline;
pub mod documentation;
pub mod forms;
pub mod misuse;
pub mod order;
pub mod people;
pub mod reader;
pub mod task_reader;
pub mod typed;

#[cfg(feature = "act")]
pub mod answers;
#[cfg(feature = "act")]
mod creating;
#[cfg(feature = "act")]
pub mod dispatch;
#[cfg(feature = "act")]
mod drafts;
#[cfg(feature = "act")]
pub mod home;
#[cfg(feature = "act")]
mod lookup;
#[cfg(feature = "act")]
mod perform;
#[cfg(feature = "act")]
mod permission;
#[cfg(feature = "act")]
#[cfg(test)]
mod pseudo;
#[cfg(feature = "act")]
mod reply;
#[cfg(feature = "act")]
pub mod request;
#[cfg(feature = "act")]
pub mod shared_links;
#[cfg(feature = "act")]
pub mod unfurl;
#[cfg(feature = "act")]
mod views;
#[cfg(feature = "act")]
pub mod waiting;

pub mod bridge;
pub mod deal;
pub mod lead;
pub mod me;
pub mod status;
pub mod task;

commands! {
    lead::LeadCommand,
    task::TaskCommand,
    deal::DealCommand,
    status::StatusCommand,
    me::MeCommand,
    bridge::BridgeCommand,
}

#[cfg(test)]
mod tests;
