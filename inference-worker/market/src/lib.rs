//! The mathematics of the Mica market.
#![forbid(unsafe_code)]

pub mod pricing;
pub mod routing;
