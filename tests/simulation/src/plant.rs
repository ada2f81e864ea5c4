//! Bugs that can be planted, to see that the invariants find them. They are in the layer between the product and its
//! ports, so that the product has no code for them.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PlantedBug {
    /// A call that posts a message is made twice.
    PostTwice,
    /// A message that is said to be posted is not.
    PostNothing,
    /// A job is lost on its way to the queue.
    LoseJob,
    /// The end of an event or a delivery is not written.
    ForgetEnd,
    /// A job overtakes the one before it.
    Overtake,
    /// Nobody remembers how many requests were made.
    IgnoreLimits,
    /// A wait is thirty times as long.
    WaitLong,
    /// While one portal is down, the jobs of all tenants wait.
    ShareTrouble,
    /// What a page is to show is not written there, and not listed either.
    LeavePage,
    /// A token is logged.
    LogToken,
    /// What a tenant leaves behind is not erased.
    KeepItem,
}
