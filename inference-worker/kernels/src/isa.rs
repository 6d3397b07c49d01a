//! The instructions that this CPU has beyond the baseline, detected at run time.
//!
//! An [`Isa`] can only be made by asking the CPU, so holding one is the proof that its instructions
//! exist. AMX is never used: some machines list it and fault on it.

use crate::{LANES, lanes::Lanes};

/// An instruction set that this CPU has. [`Isa::scalar`] is the definition; every other one gives
/// the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Isa(pub(crate) Kind);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Scalar,
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    Avx2,
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    Avx512,
    #[cfg(all(target_arch = "aarch64", feature = "std"))]
    Neon,
    #[cfg(all(target_arch = "aarch64", feature = "std"))]
    Dotprod,
}

impl Isa {
    /// The definition itself, compiled for the target's baseline.
    pub const fn scalar() -> Self {
        Self(Kind::Scalar)
    }

    /// The widest set that this CPU has.
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self::scalar())
    }

    /// Every set that this CPU has, narrowest first; the scalar definition always comes first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        let sets: [Option<Self>; 3] = [Some(Self::scalar()), Self::second(), Self::third()];
        sets.into_iter().flatten()
    }

    /// `scalar`, `avx2`, `avx512-vnni`, `neon` or `neon-dotprod`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Kind::Avx2 => "avx2",
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Kind::Avx512 => "avx512-vnni",
            #[cfg(all(target_arch = "aarch64", feature = "std"))]
            Kind::Neon => "neon",
            #[cfg(all(target_arch = "aarch64", feature = "std"))]
            Kind::Dotprod => "neon-dotprod",
        }
    }

    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    fn second() -> Option<Self> {
        (std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("f16c"))
            .then_some(Self(Kind::Avx2))
    }

    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    fn third() -> Option<Self> {
        let here = Self::second().is_some()
            && std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx512vnni");
        here.then_some(Self(Kind::Avx512))
    }

    #[cfg(all(target_arch = "aarch64", feature = "std"))]
    fn second() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(Kind::Neon))
    }

    #[cfg(all(target_arch = "aarch64", feature = "std"))]
    fn third() -> Option<Self> {
        (Self::second().is_some() && std::arch::is_aarch64_feature_detected!("dotprod"))
            .then_some(Self(Kind::Dotprod))
    }

    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), feature = "std")))]
    const fn second() -> Option<Self> {
        None
    }

    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), feature = "std")))]
    const fn third() -> Option<Self> {
        None
    }

    /// Runs `operation` compiled for this set: the same scalar code, which the compiler may put
    /// into wider registers.
    ///
    /// Only what is inlined is compiled for the set, and a closure of some size is not: that is
    /// what [`Operation`] is for.
    #[inline(always)]
    pub(crate) fn run<R>(self, operation: impl FnOnce() -> R) -> R {
        self.call(Closure(operation))
    }

    /// Runs `operation` compiled for this set, of whatever size it is.
    #[inline(always)]
    pub(crate) fn call<O: Operation>(self, operation: O) -> O::Output {
        match self.0 {
            Kind::Scalar => operation.run::<[f32; LANES]>(),
            // SAFETY: an `Isa` of this kind exists only where the CPU was seen to have these
            // features.
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Kind::Avx2 => unsafe { call_avx2(operation) },
            // SAFETY: as above.
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Kind::Avx512 => unsafe { call_avx512(operation) },
            // The target's baseline has NEON; dot products of integers do not occur in operations.
            #[cfg(all(target_arch = "aarch64", feature = "std"))]
            Kind::Neon | Kind::Dotprod => operation.run::<crate::simd::Neon>(),
        }
    }
}

/// Code to be compiled for every instruction set, with sums in lanes of type `V`. `run` and the
/// loops that it calls have to be `#[inline(always)]`.
pub(crate) trait Operation {
    type Output;
    fn run<V: Lanes>(self) -> Self::Output;
}

struct Closure<F>(F);

impl<R, F: FnOnce() -> R> Operation for Closure<F> {
    type Output = R;

    #[inline(always)]
    fn run<V: Lanes>(self) -> R {
        (self.0)()
    }
}

#[cfg(all(target_arch = "x86_64", feature = "std"))]
#[target_feature(enable = "avx2,f16c")]
fn call_avx2<O: Operation>(operation: O) -> O::Output {
    operation.run::<crate::simd::Avx>()
}

#[cfg(all(target_arch = "x86_64", feature = "std"))]
#[target_feature(enable = "avx2,f16c,avx512f,avx512bw,avx512vl")]
fn call_avx512<O: Operation>(operation: O) -> O::Output {
    operation.run::<crate::simd::Avx512>()
}
