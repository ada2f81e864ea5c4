//! Reads what a hint points at, finds the changes, routes them.
