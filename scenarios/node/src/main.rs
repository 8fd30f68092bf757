//! The crowd node.
fn main() {}
