//! What instructions this CPU has beyond the baseline, found at run time.
//!
//! An [`Isa`] can only be made by asking the CPU, so holding one is the proof that its instructions exist. AMX is never used:
//! there are machines that list it and fault on it.

/// An instruction set that this CPU has. [`Isa::scalar`] is the definition; every other one gives the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Isa(pub(crate) Kind);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Scalar,
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    Avx2,
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    Avx512,
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
        let sets: [Option<Self>; 3] = [Some(Self::scalar()), Self::avx2(), Self::avx512()];
        sets.into_iter().flatten()
    }

    /// `scalar`, `avx2` or `avx512-vnni`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Kind::Avx2 => "avx2",
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Kind::Avx512 => "avx512-vnni",
        }
    }

    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    fn avx2() -> Option<Self> {
        (std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("f16c")).then_some(Self(Kind::Avx2))
    }

    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    fn avx512() -> Option<Self> {
        let here = Self::avx2().is_some()
            && std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx512vnni");
        here.then_some(Self(Kind::Avx512))
    }

    #[cfg(not(all(target_arch = "x86_64", feature = "std")))]
    const fn avx2() -> Option<Self> {
        None
    }

    #[cfg(not(all(target_arch = "x86_64", feature = "std")))]
    const fn avx512() -> Option<Self> {
        None
    }

    /// Runs `operation` compiled for this set: the same scalar code, which the compiler may put into wider registers.
    #[inline(always)]
    pub(crate) fn run<R>(self, operation: impl FnOnce() -> R) -> R {
        match self.0 {
            Kind::Scalar => operation(),
            // SAFETY: an `Isa` of this kind exists only where the CPU was seen to have these features.
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Kind::Avx2 => unsafe { run_avx2(operation) },
            // SAFETY: as above.
            #[cfg(all(target_arch = "x86_64", feature = "std"))]
            Kind::Avx512 => unsafe { run_avx512(operation) },
        }
    }
}

#[cfg(all(target_arch = "x86_64", feature = "std"))]
#[target_feature(enable = "avx2,f16c")]
fn run_avx2<R>(operation: impl FnOnce() -> R) -> R {
    operation()
}

#[cfg(all(target_arch = "x86_64", feature = "std"))]
#[target_feature(enable = "avx2,f16c,avx512f,avx512bw,avx512vl")]
fn run_avx512<R>(operation: impl FnOnce() -> R) -> R {
    operation()
}
