//! Prints the capability table from what the tests registered: `scripts/capabilities` calls it.
//!
//! ```text
//! cargo run --example capabilities -- target/capabilities
//! ```

use std::{env, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = env::args_os().nth(1).map(PathBuf::from).ok_or("which folder?")?;
    print!("{}", andiron::testing::to_markdown(&folder)?);
    Ok(())
}
