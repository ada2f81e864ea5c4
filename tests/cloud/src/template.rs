//! What `template.yaml` gives a function, read from its text.

use anyhow::Context;

use crate::policy::TEMPLATE;

/// The names of the environment variables of the function with this binary, those of all functions included.
pub(crate) fn variables(function: &str) -> anyhow::Result<Vec<String>> {
    let (globals, _) = TEMPLATE.split_once("\nResources:").context("the template has resources")?;
    let binary = format!("Binary: {function} }}");
    let (_, own) = TEMPLATE.split_once(&binary).with_context(|| format!("the template has no function {function}"))?;
    let (own, _) = own.split_once("Policies:").context("every function has policies")?;
    Ok(names(globals).chain(names(own)).collect())
}

/// The keys under `Variables:`, which are in capitals.
fn names(text: &str) -> impl Iterator<Item = String> {
    let (_, variables) = text.split_once("Variables:").unwrap_or_default();
    let keys = variables.lines().filter_map(|line| line.trim().split_once(':').map(|(key, _)| key.to_owned()));
    keys.filter(|key| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    })
}
