//! What must hold whatever connects the servers.

pub mod acknowledgements;
pub mod broadcasts;
pub mod closing;
pub mod questions;
pub mod remote_control;
pub mod server_side;
pub mod socketioxide;
pub mod unwanted;
