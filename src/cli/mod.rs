//! The subcommands, one file each. Wiring only: everything they do is in the library's other modules.

pub mod run;
