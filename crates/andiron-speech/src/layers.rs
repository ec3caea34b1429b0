//! What several networks share and burn-nn lacks.

pub(crate) mod transformer;
