//! The command line, as the one-machine host and the command for AWS share it: configuration, settings, tenants, codes, operating.
//! Nothing here knows an engine or serves HTTP.

pub mod codes;
pub mod config;
pub mod operate;
pub mod person;
pub mod proxies;
pub mod reference;
pub mod settings;
pub mod tenants;
