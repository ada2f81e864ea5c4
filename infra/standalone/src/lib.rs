//! Switchboard on one machine: the same handlers, HTTP, workers and scheduler in one process.
