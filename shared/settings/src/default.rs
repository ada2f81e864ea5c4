//! What is left out of a written document: values that are the default.

/// Whether a value is the default of its type.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
