//! What a node reports about itself: the chain it follows, its peers, whether it is still syncing.

use crate::{Chain, ReadError, connection::within};

/// A node's own account of itself. A node that lies is met elsewhere: what counts is read from
/// final blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Name of its chain.
    pub chain: String,
    /// Version of its program.
    pub version: String,
    /// Nodes that it is connected to.
    pub peers: usize,
    /// Whether it should be connected to any: a development node should not.
    pub should_have_peers: bool,
    /// Whether it is still fetching blocks that others have.
    pub is_syncing: bool,
}

impl Chain {
    /// Asks the node about itself.
    ///
    /// # Errors
    /// [`ReadError`] if it does not answer.
    pub async fn node_state(&self) -> Result<NodeState, ReadError> {
        let health = within("system_health", self.methods().system_health()).await?;
        let chain = within("system_chain", self.methods().system_chain()).await?;
        let version = within("system_version", self.methods().system_version()).await?;
        Ok(NodeState {
            chain,
            version,
            peers: health.peers,
            should_have_peers: health.should_have_peers,
            is_syncing: health.is_syncing,
        })
    }
}
