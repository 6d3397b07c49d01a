//! When the clock runs and when it stands, and who can move it.

mod finality;
mod recovery;
