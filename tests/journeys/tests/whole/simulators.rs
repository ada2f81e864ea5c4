//! The simulators, as strict as the providers.

mod notion;
mod portal;
