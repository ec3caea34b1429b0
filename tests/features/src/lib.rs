//! Nothing: what it depends on, and with which features, is all there is to it.
