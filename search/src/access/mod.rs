//! Who may ask, how often, and for how long.

pub(crate) mod deadline;
