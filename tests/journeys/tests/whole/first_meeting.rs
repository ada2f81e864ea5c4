//! Rows and records that exist before they are linked.
