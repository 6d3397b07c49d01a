//! The thread that waits for the disk.
//!
//! It has at most one group of records to bring to the disk and one journal to move to the database
//! at a time; what is written meanwhile makes up the next group. So the wait of one session is
//! nobody else's, and many vouchers cost one wait.
//!
//! A disk that has failed once is not trusted again before the next start: the system forgets what
//! it could not write, and a second attempt may succeed without it.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc as blocking},
    thread::JoinHandle,
};

use tokio::sync::mpsc;

use super::{Batch, Store, StoreError, Unsynced, database::Database, remove, sync_folder};

/// Jobs that wait: one of each kind.
const JOBS: usize = 2;

enum Job {
    Sync(u64, Unsynced),
    Move(Arc<Batch>),
}

/// A job is done, or has failed.
#[derive(Debug)]
pub(crate) enum Done {
    /// Everything that was kept before the group with this number was begun is on the disk.
    Synced(u64, Result<(), StoreError>),
    /// An old journal is in the database.
    Moved(Result<(), StoreError>),
}

/// A thread that writes for one store.
pub(crate) struct DiskThread {
    jobs: Option<blocking::SyncSender<Job>>,
    done: mpsc::Receiver<Done>,
    thread: Option<JoinHandle<()>>,
    /// Number of the last group that was begun.
    begun: u64,
    is_syncing: bool,
}

impl DiskThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`StoreError::Thread`].
    pub(crate) fn start(store: &Store) -> Result<Self, StoreError> {
        let (jobs, asked) = blocking::sync_channel(JOBS);
        let (answers, done) = mpsc::channel(JOBS);
        let work = Work {
            database: store.database.clone(),
            folder: store.folder.path().to_owned(),
            old_journal: store.folder.old_journal(),
            failed: None,
        };
        let builder = std::thread::Builder::new().name("mica-disk".to_owned());
        let thread = builder
            .spawn(move || work.run(&asked, &answers))
            .map_err(|source| StoreError::Thread { reason: source.to_string() })?;
        Ok(Self { jobs: Some(jobs), done, thread: Some(thread), begun: 0, is_syncing: false })
    }

    /// Number of the group in which what is kept now reaches the disk.
    pub(crate) const fn next_group(&self) -> u64 {
        self.begun + 1
    }

    /// Begins the next group, unless one is under way: then it begins when that is done.
    pub(crate) fn sync(&mut self, store: &Store) {
        if !self.is_syncing && self.give(Job::Sync(self.begun + 1, store.unsynced())) {
            self.begun += 1;
            self.is_syncing = true;
        }
    }

    /// Has a journal that has grown moved to the database, unless one is on its way.
    ///
    /// # Errors
    /// [`StoreError::Write`] if it cannot be put aside.
    pub(crate) fn move_if_due(&mut self, store: &mut Store) -> Result<(), StoreError> {
        if let Some(batch) = store.begin_move()? {
            // There is room: the last one was done before this one was begun.
            self.give(Job::Move(batch));
        }
        Ok(())
    }

    /// Waits for the next job to be done. Dropping the future loses nothing.
    pub(crate) async fn done(&mut self, store: &mut Store) -> Option<Done> {
        let done = self.done.recv().await;
        self.note(done.as_ref(), store);
        done
    }

    /// Takes no more jobs and waits for the next that is under way; nothing when all are done.
    pub(crate) async fn finish(&mut self, store: &mut Store) -> Option<Done> {
        self.jobs = None;
        self.done(store).await
    }

    fn note(&mut self, done: Option<&Done>, store: &mut Store) {
        match done {
            Some(Done::Synced(..)) => self.is_syncing = false,
            Some(Done::Moved(Ok(()))) => store.moved(),
            // Its journal stays, and is moved when the store is closed or opened.
            Some(Done::Moved(Err(_))) | None => {}
        }
    }

    fn give(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.try_send(job).is_ok())
    }
}

impl Drop for DiskThread {
    fn drop(&mut self) {
        self.jobs = None;
        self.done.close();
        if let Some(thread) = self.thread.take() {
            // It has no way to panic but a bug, which the thread has reported itself.
            let _ = thread.join();
        }
    }
}

struct Work {
    database: Arc<Database>,
    /// Of both journals.
    folder: PathBuf,
    old_journal: PathBuf,
    /// Why the disk is not trusted any more.
    failed: Option<String>,
}

impl Work {
    fn run(mut self, jobs: &blocking::Receiver<Job>, done: &mpsc::Sender<Done>) {
        while let Ok(job) = jobs.recv() {
            let answer = match job {
                Job::Sync(group, files) => Done::Synced(group, self.sync(&files)),
                Job::Move(batch) => Done::Moved(self.move_batch(&batch)),
            };
            if done.blocking_send(answer).is_err() {
                return;
            }
        }
    }

    fn sync(&mut self, files: &Unsynced) -> Result<(), StoreError> {
        if let Some(reason) = &self.failed {
            let path = files.path.display().to_string();
            return Err(StoreError::Write { path, reason: reason.clone() });
        }
        let synced = files.wait();
        if let Err(StoreError::Write { reason, .. }) = &synced {
            self.failed = Some(reason.clone());
        }
        synced
    }

    fn move_batch(&self, batch: &Batch) -> Result<(), StoreError> {
        batch.write(&self.database)?;
        // Once the move is done nobody syncs the folder any more, and the new journal would be lost
        // with its name, however often its content reached the disk.
        sync_folder(&self.folder)?;
        remove(&self.old_journal)
    }
}
