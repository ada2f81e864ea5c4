//! What people wrote arrives whole, and nothing is overwritten by what the other side cannot express.

mod bbcode;
mod commands;
mod fields;
mod first_meeting;
mod read_back;
mod relations;
mod simulators;
mod slack_in;
