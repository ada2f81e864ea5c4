//! Conditions that would take forever, or all memory.
