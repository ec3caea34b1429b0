//! What several networks have in common and burn's layers lack.

pub(crate) mod conv_norm;
pub(crate) mod csp;
pub mod inverted_residual;
pub(crate) mod linear_head;
pub(crate) mod pre_norm;
