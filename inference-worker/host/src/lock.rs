//! Mutexes whose holder may panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes `mutex`, also if a thread panicked while it had it.
///
/// For data that a panic cannot leave half changed: a single value, a map in which one entry is
/// changed at a time. One panic then ends one task, not every other that shares the data.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_panic_with_the_lock_does_not_keep_others_from_it() {
        let shared = Arc::new(Mutex::new(1));
        let poisons = shared.clone();
        let panicked = std::thread::spawn(move || {
            let _held = lock(&poisons);
            panic!("with the lock");
        });
        assert!(panicked.join().is_err() && shared.is_poisoned());
        *lock(&shared) += 1;
        assert_eq!(*lock(&shared), 2);
    }
}
