//! Origins that a referendum can have besides root, which may do everything.
//!
//! * `Treasurer` spends from the treasury, up to a limit for each payment.
//! * `Safety` pauses the chain, cancels a referendum under way, and repairs a stalled finality.
//!   It decides fast, so it may do nothing else.

pub use pallet_origins::*;

/// The pallet that makes the origins known to the runtime. It has no calls and no storage.
#[frame_support::pallet]
pub mod pallet_origins {
    use frame_support::pallet_prelude::*;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {}

    /// Who decided.
    #[pallet::origin]
    #[derive(
        Clone,
        Copy,
        PartialEq,
        Eq,
        Debug,
        Encode,
        Decode,
        DecodeWithMemTracking,
        MaxEncodedLen,
        TypeInfo,
    )]
    pub enum Origin {
        /// May spend from the treasury.
        Treasurer,
        /// May pause the chain and repair its finality.
        Safety,
    }
}

macro_rules! ensure {
    ($(#[$doc:meta])* $name:ident, $origin:ident) => {
        $(#[$doc])*
        pub struct $name;

        impl<O> frame_support::traits::EnsureOrigin<O> for $name
        where
            O: frame_support::traits::OriginTrait + From<Origin>,
            for<'a> &'a O::PalletsOrigin: TryInto<&'a Origin>,
        {
            type Success = ();

            fn try_origin(origin: O) -> Result<(), O> {
                match origin.caller().try_into() {
                    Ok(Origin::$origin) => return Ok(()),
                    _ => {}
                }
                Err(origin)
            }

            #[cfg(feature = "runtime-benchmarks")]
            fn try_successful_origin() -> Result<O, ()> {
                Ok(O::from(Origin::$origin))
            }
        }
    };
}

ensure! {
    /// A referendum on the treasurer's track.
    EnsureTreasurer, Treasurer
}
ensure! {
    /// A referendum on the track for safety.
    EnsureSafety, Safety
}
