//! What several networks are made of.

pub(crate) mod csp;
