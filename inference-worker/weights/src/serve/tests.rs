use super::*;
use crate::{
    index::Blob,
    peer::{Asking, Opening, Peer, PeerError},
    store::Store,
    tree,
};
use mica_engine::embedded;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_util::compat::TokioAsyncReadCompatExt;

/// What a peer does to its replies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Character {
    Honest,
    /// One byte of every piece after so many is wrong.
    LiesAfter(usize),
    /// Gives another model's index.
    OtherIndex,
    /// Hangs up after so many replies.
    BreaksAfter(usize),
    /// Takes requests and answers none.
    Silent,
    /// Has nothing.
    Empty,
    /// Answers with something else than was asked.
    Confused,
}

/// A peer in this process, over a pipe, with the shelf and the words of a real one.
pub(crate) struct PipePeer {
    pub(crate) name: &'static str,
    pub(crate) shelf: Shelf,
    pub(crate) character: Character,
    pub(crate) pieces: Arc<AtomicUsize>,
    pub(crate) lies_told: Arc<AtomicUsize>,
}

impl PipePeer {
    pub(crate) fn new(name: &'static str, shelf: &Shelf, character: Character) -> Self {
        let (pieces, lies_told) = (Arc::default(), Arc::default());
        Self { name, shelf: shelf.clone(), character, pieces, lies_told }
    }
}

impl Peer for PipePeer {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn open(&self) -> Opening<'_> {
        Box::pin(async {
            let (ours, theirs) = tokio::io::duplex(64 << 10);
            let (shelf, character, pieces) =
                (self.shelf.clone(), self.character, self.pieces.clone());
            tokio::spawn(async move {
                // Whoever hangs up has its reasons.
                drop(play(theirs.compat(), &shelf, character, &pieces).await);
            });
            Ok(Box::new(ours.compat()) as Box<dyn crate::peer::Duplex>)
        })
    }

    fn lied(&self) {
        self.lies_told.fetch_add(1, Ordering::SeqCst);
    }
}

async fn play(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    shelf: &Shelf,
    character: Character,
    pieces: &AtomicUsize,
) -> io::Result<()> {
    let throttles = [Throttle::new(u64::MAX)];
    if character == Character::Honest {
        // Counted all the same.
        while let Some(request) = protocol::read::<Request>(&mut stream, MAX_REQUEST_BYTES).await? {
            throttles[0].take(1).await;
            let reply = shelf.answer(request).await;
            pieces.fetch_add(usize::from(matches!(reply, Reply::Piece(_))), Ordering::SeqCst);
            protocol::write(&mut stream, &reply).await?;
            stream.flush().await?;
        }
        return Ok(());
    }
    let mut replies = 0;
    while let Some(request) = protocol::read::<Request>(&mut stream, MAX_REQUEST_BYTES).await? {
        let mut reply = shelf.answer(request).await;
        replies += 1;
        let sent = match &reply {
            Reply::Piece(_) => pieces.fetch_add(1, Ordering::SeqCst),
            _ => 0,
        };
        match (character, &mut reply) {
            (Character::BreaksAfter(most), _) if replies > most => return Ok(()),
            (Character::LiesAfter(most), Reply::Piece(bytes)) if sent >= most => {
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
            }
            (Character::OtherIndex, Reply::Index(bytes)) => {
                let mut index = Index::from_bytes(bytes).expect("our own");
                index.tensors[0] = Blob { hash: [1; 32], ..index.tensors[0] };
                *bytes = index.to_bytes();
            }
            (Character::Silent, _) => std::future::pending().await,
            (Character::Empty, reply) => *reply = Reply::Absent,
            (Character::Confused, reply @ Reply::Piece(_)) => *reply = Reply::Held(vec![1]),
            _ => {}
        }
        protocol::write(&mut stream, &reply).await?;
        stream.flush().await?;
    }
    Ok(())
}

pub(crate) fn tiny() -> Arc<GgufFile> {
    Arc::new(GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded"))
}

/// A shelf with the whole of the small model, and its id.
pub(crate) fn full_shelf() -> (Shelf, ModelId) {
    let shelf = Shelf::default();
    let file = tiny();
    let hashes = file.tensor_hashes().expect("it reads");
    let id = file.manifest_with(&hashes).expect("a manifest").id();
    shelf.put_file(id, &file, &hashes);
    (shelf, id)
}

async fn asking(shelf: &Shelf) -> Asking {
    let peer = PipePeer::new("peer", shelf, Character::Honest);
    Asking::open(&peer).await.expect("a pipe")
}

#[tokio::test]
async fn a_shelf_gives_index_head_and_every_tensor() {
    let (shelf, id) = full_shelf();
    let mut asking = asking(&shelf).await;
    let index = asking.index(id).await.expect("an index");
    let head = asking.blob(&index.head, |_| {}).await.expect("a head");
    let (file, manifest) = index.open(&head, |_| "nowhere".into()).expect("a model");
    assert_eq!(manifest.id(), id);
    let held = asking.held(id, index.tensors.len()).await.expect("a set");
    assert_eq!(held.len(), index.tensors.len());
    let real = tiny();
    for (blob, (ours, theirs)) in index.tensors.iter().zip(file.tensors().zip(real.tensors())) {
        assert_eq!(ours.name, theirs.name);
        let bytes = asking.blob(blob, |_| {}).await.expect("a tensor");
        assert_eq!(bytes, theirs.read().expect("it reads"));
    }
}

#[tokio::test]
async fn what_is_not_there_is_absent() {
    let (shelf, id) = full_shelf();
    let mut asking = asking(&shelf).await;
    let other = ModelId([9; 32]);
    assert!(matches!(asking.index(other).await, Err(PeerError::Absent)));
    assert!(matches!(asking.held(other, 3).await, Err(PeerError::Absent)));
    let index = asking.index(id).await.expect("an index");
    let mut piece = async |hash, piece| {
        asking.ask(&Request::Piece { hash, piece }).await.expect("asked");
        asking.reply().await.expect("a reply")
    };
    assert_eq!(piece([8; 32], 0).await, Reply::Absent);
    let blob = index.tensors[0];
    assert_eq!(piece(blob.hash, tree::pieces(blob.bytes)).await, Reply::Absent);
    assert_eq!(piece(blob.hash, u32::MAX).await, Reply::Absent);
    assert!(matches!(piece(blob.hash, 0).await, Reply::Piece(_)), "the stream goes on");
}

#[tokio::test]
async fn of_a_model_in_part_what_is_whole_is_served_and_what_has_changed_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path().to_owned(), None);
    let file = tiny();
    let (index, head) = Index::of(&file).expect("it reads");
    let id = file.manifest().expect("a manifest").id();
    let held = Arc::new(store.keep(id, &index, &head).expect("kept"));
    let bytes =
        |tensor: usize| file.tensors().nth(tensor).expect("a tensor").read().expect("it reads");
    for tensor in [1, 2] {
        held.put(tensor, 0, &bytes(tensor)).expect("written");
        assert!(held.finish(tensor).expect("it reads"));
    }
    held.put(3, 0, &bytes(3)).expect("written");
    let shelf = Shelf::default();
    shelf.put(&held);
    let mut asking = asking(&shelf).await;
    let has = asking.held(id, index.tensors.len()).await.expect("a set");
    assert!((0..index.tensors.len()).filter(|&tensor| has.contains(tensor)).eq([1, 2]));
    assert_eq!(asking.blob(&index.tensors[1], |_| {}).await.expect("a tensor"), bytes(1));
    let absent = asking.blob(&index.tensors[3], |_| {}).await;
    assert!(matches!(absent, Err(PeerError::Absent)), "not whole yet");
    // One that was served before, and one that was not.
    for tensor in [1, 2] {
        let path = held.folder().join(format!("{tensor:05}"));
        let mut wrong = bytes(tensor);
        wrong[10] ^= 1;
        std::fs::write(path, wrong).expect("written");
        let absent = asking.blob(&index.tensors[tensor], |_| {}).await;
        assert!(matches!(absent, Err(PeerError::Absent)), "tensor {tensor}");
    }
}

#[test]
fn no_more_bytes_go_out_than_the_operator_says() {
    let throttle = Throttle::new(1_000_000);
    let begin = Instant::now();
    // Each waits for as long as it is told to.
    let seconds_for = |count: usize, begin: Instant| {
        let mut now = begin;
        for _ in 0..count {
            now += throttle.charge(100_000, now);
        }
        now.duration_since(begin).as_secs_f64()
    };
    let seconds = seconds_for(100, begin);
    assert!((8.5..10.5).contains(&seconds), "10 MB took {seconds} s");
    let seconds = seconds_for(30, begin + Duration::from_secs(3600));
    assert!(seconds > 1.5, "what was not used is not saved up: {seconds} s");
}

#[tokio::test]
async fn whoever_holds_a_place_and_asks_for_nothing_loses_it_when_all_are_taken() {
    let (_ours, theirs) = tokio::io::duplex(1024);
    let mut stream = theirs.compat();
    let none_left = Semaphore::new(0);
    let waiting = timeout(PATIENCE / 2, next_request(&mut stream, &none_left));
    let error = waiting.await.expect("long before a minute").expect_err("no request");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let (ours, theirs) = tokio::io::duplex(1024);
    let mut stream = theirs.compat();
    let request = Request::Index(ModelId([3; 32]));
    protocol::write(&mut ours.compat(), &request).await.expect("written");
    let found = next_request(&mut stream, &none_left).await.expect("a request");
    assert_eq!(found, Some(request));
}
