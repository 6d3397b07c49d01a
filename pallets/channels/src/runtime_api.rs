//! Typed reads of channels for workers and payers: one call each.

use alloc::vec::Vec;
use codec::Codec;
use mica_primitives::{Channel, ChannelId, ChannelParameters};

sp_api::decl_runtime_apis! {
    /// Reads of payment channels. On the wire: `ChannelsApi_<function>`.
    pub trait ChannelsApi<AccountId>
    where
        AccountId: Codec,
    {
        /// The channel, if it is open or closing.
        fn channel(id: ChannelId) -> Option<Channel<AccountId>>;
        /// Every channel that `payer` pays from; bounded by the chain's limit per payer.
        fn channels_of(payer: AccountId) -> Vec<(ChannelId, Channel<AccountId>)>;
        /// A page of the channels that `payee` is paid from: those after `from` in the order of
        /// ids, at most `limit` and 256.
        fn channels_to(payee: AccountId, from: Option<ChannelId>, limit: u32) -> Vec<(ChannelId, Channel<AccountId>)>;
        /// The constants that a payer must know before it opens a channel.
        fn channel_parameters() -> ChannelParameters;
    }
}
